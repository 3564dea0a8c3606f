import type { SWFClient } from "@aws-sdk/client-swf";
import type { StepPlan } from "../../core/workflow/decide.ts";
import type { Clock } from "../../ports/clock.ts";
import type { WorkflowDefinition } from "../../ports/workflows.ts";
import type { Followers } from "./followers.ts";
import type { WorkflowLog } from "./log.ts";
import type { WorkflowRecords } from "./records.ts";

export interface Registration {
  readonly definition: WorkflowDefinition<unknown>;
  readonly plan: StepPlan;
}

/** What the parts of one process's engine share. */
export interface Engine {
  readonly client: SWFClient;
  readonly domain: string;
  readonly taskList: { readonly name: string };
  /** Says in SWF's history which process it was. */
  readonly identity: string;
  readonly heartbeatTimeoutSeconds: number;
  readonly clock: Clock;
  readonly log: WorkflowLog;
  readonly registrations: ReadonlyMap<string, Registration>;
  readonly records: WorkflowRecords;
  readonly followers: Followers;
}
