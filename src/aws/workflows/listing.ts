import {
  paginateListClosedWorkflowExecutions,
  paginateListOpenWorkflowExecutions,
  type WorkflowExecutionInfo,
} from "@aws-sdk/client-swf";
import type { WorkflowExecution } from "../../ports/workflows.ts";
import type { Engine } from "./engine.ts";
import { readExecution } from "./execution.ts";
import { retentionDays, workflowTypeOf } from "./registration.ts";
import { fromSwfId } from "./workflow-id.ts";

const defaultLimit = 100;
/** At a time; reading an execution takes one or two calls. */
const readsAtATime = 8;
const dayMilliseconds = 86_400_000;

/**
 * The newest executions that SWF still shows: those under way, and those that ended within the retention period. SWF's
 * lists are eventually consistent, by some seconds.
 */
export async function listExecutions(
  engine: Engine,
  options: { readonly workflow?: string; readonly limit?: number },
): Promise<readonly WorkflowExecution[]> {
  const { workflow, limit = defaultLimit } = options;
  const infos = await Promise.all([
    newest(openPages(engine, workflow), workflow, limit),
    newest(closedPages(engine, workflow), workflow, limit),
  ]);
  const ids = new Set(infos.flat().toSorted(newestFirst).map(idOf));
  const wanted = [...ids].slice(0, limit);
  const executions: WorkflowExecution[] = [];
  while (wanted.length > 0) {
    const read = await Promise.all(wanted.splice(0, readsAtATime).map((id) => readExecution(engine, id)));
    executions.push(...read.filter((execution) => execution !== undefined));
  }
  return executions.toSorted((one, other) => other.startedAt.getTime() - one.startedAt.getTime());
}

type Pages = AsyncIterable<{ readonly executionInfos: WorkflowExecutionInfo[] | undefined }>;

/** Pages come newest first, so the first ones do. What was canceled is a run that another one of its id came before. */
async function newest(
  pages: Pages,
  workflow: string | undefined,
  limit: number,
): Promise<WorkflowExecutionInfo[]> {
  const found: WorkflowExecutionInfo[] = [];
  for await (const { executionInfos = [] } of pages) {
    found.push(
      ...executionInfos.filter(
        ({ workflowType, closeStatus }) =>
          closeStatus !== "CANCELED" && (workflow === undefined || workflowType?.name === workflow),
      ),
    );
    if (found.length >= limit) break;
  }
  return found;
}

function openPages({ client, domain, clock }: Engine, workflow: string | undefined): Pages {
  return paginateListOpenWorkflowExecutions({ client }, { domain, ...filterOf(clock.now(), workflow) });
}

function closedPages({ client, domain, clock }: Engine, workflow: string | undefined): Pages {
  return paginateListClosedWorkflowExecutions({ client }, { domain, ...filterOf(clock.now(), workflow) });
}

function filterOf(now: Date, workflow: string | undefined) {
  // What runs may have begun long before: a run may take a year.
  const oldestDate = new Date(now.getTime() - (365 + retentionDays) * dayMilliseconds);
  return {
    startTimeFilter: { oldestDate },
    ...(workflow !== undefined && { typeFilter: workflowTypeOf(workflow) }),
  };
}

function idOf({ execution }: WorkflowExecutionInfo): string {
  return fromSwfId(execution?.workflowId ?? "");
}

function newestFirst(one: WorkflowExecutionInfo, other: WorkflowExecutionInfo): number {
  return (other.startTimestamp?.getTime() ?? 0) - (one.startTimestamp?.getTime() ?? 0);
}
