import {
  DeprecateDomainCommand,
  paginateListOpenWorkflowExecutions,
  type SWFClient,
  TerminateWorkflowExecutionCommand,
} from "@aws-sdk/client-swf";
import type { WorkflowsOptions } from "../../../src/aws/workflows.ts";
import { emptyAccount, testPrefix } from "./account.ts";
import { createTestKey } from "./key.ts";
import { makeRegistryTable } from "./registry-table.ts";
import { openWorkflows, type WorkflowPlace, workflowParts } from "./workflow-place.ts";

/** A region's table and key, and the name of a domain that the first launch makes. */
export async function createWorkflowRegion() {
  const access = await emptyAccount();
  const domain = testPrefix();
  const registry = await makeRegistryTable(access, domain);
  const key = await createTestKey(access, domain);
  const place: WorkflowPlace = { access, domain, table: registry.table, keyArn: key.keyArn };
  const parts = workflowParts(place);
  return {
    place,
    parts,
    /** Another engine at this place, as the next process would have it. */
    open: (options: Partial<WorkflowsOptions> = {}) => openWorkflows(place, options),
    async dispose() {
      await removeDomain(parts.client, domain);
      await registry.dispose();
      await key.remove();
    },
  };
}

/** A domain can't be deleted: it is emptied, and deprecated. */
async function removeDomain(client: SWFClient, domain: string): Promise<void> {
  const startTimeFilter = { oldestDate: new Date(0) };
  for await (const page of paginateListOpenWorkflowExecutions({ client }, { domain, startTimeFilter })) {
    for (const { execution } of page.executionInfos ?? [])
      await client.send(new TerminateWorkflowExecutionCommand({ domain, workflowId: execution?.workflowId }));
  }
  await client.send(new DeprecateDomainCommand({ name: domain }));
}
