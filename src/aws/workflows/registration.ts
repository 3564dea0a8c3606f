import {
  DescribeActivityTypeCommand,
  DescribeDomainCommand,
  DescribeWorkflowTypeCommand,
  RegisterActivityTypeCommand,
  RegisterDomainCommand,
  RegisterWorkflowTypeCommand,
  type SWFClient,
  UndeprecateActivityTypeCommand,
  UndeprecateDomainCommand,
  UndeprecateWorkflowTypeCommand,
} from "@aws-sdk/client-swf";
import { isAwsError } from "../fault.ts";
import { awsTags } from "../resources.ts";

/** Changes when histories that are under way could no longer be read. */
export const recordFormat = "1";

/** The longest that SWF keeps what has ended. */
export const retentionDays = 90;

/** The one kind of activity: an action of any saga. */
export const actionType = { name: "action", version: recordFormat } as const;

export function workflowTypeOf(workflow: string) {
  return { name: workflow, version: recordFormat };
}

/**
 * Makes the domain and its types, or makes them usable again when somebody has deprecated them. They have no defaults,
 * because these could never be changed: timeouts are said with each start and each task.
 */
export async function ensureRegistered(
  client: SWFClient,
  domain: string,
  workflows: Iterable<string>,
): Promise<void> {
  await register(
    () =>
      client.send(
        new RegisterDomainCommand({
          name: domain,
          workflowExecutionRetentionPeriodInDays: String(retentionDays),
          tags: [{ key: awsTags.prefix, value: domain }],
        }),
      ),
    async () => (await client.send(new DescribeDomainCommand({ name: domain }))).domainInfo,
    () => client.send(new UndeprecateDomainCommand({ name: domain })),
  );
  const activityType = actionType;
  await register(
    () => client.send(new RegisterActivityTypeCommand({ domain, ...activityType })),
    async () => (await client.send(new DescribeActivityTypeCommand({ domain, activityType }))).typeInfo,
    () => client.send(new UndeprecateActivityTypeCommand({ domain, activityType })),
  );
  for (const workflow of workflows) {
    const workflowType = workflowTypeOf(workflow);
    await register(
      () => client.send(new RegisterWorkflowTypeCommand({ domain, ...workflowType })),
      async () => (await client.send(new DescribeWorkflowTypeCommand({ domain, workflowType }))).typeInfo,
      () => client.send(new UndeprecateWorkflowTypeCommand({ domain, workflowType })),
    );
  }
}

const alreadyThere = ["DomainAlreadyExistsFault", "TypeAlreadyExistsFault"];

async function register(
  create: () => Promise<unknown>,
  describe: () => Promise<{ readonly status: string | undefined } | undefined>,
  undeprecate: () => Promise<unknown>,
): Promise<void> {
  try {
    await create();
  } catch (error) {
    if (!isAwsError(error, ...alreadyThere)) throw error;
    if ((await describe())?.status !== "DEPRECATED") return;
    await undeprecate().catch((failure: unknown) => {
      // Another process was faster.
      if (!isAwsError(failure, ...alreadyThere, "TypeNotDeprecatedFault")) throw failure;
    });
  }
}
