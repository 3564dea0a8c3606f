import {
  type CloudFormationClient,
  type CreateChangeSetCommandInput,
  type ExecuteChangeSetCommandInput,
  GetTemplateCommand,
  UpdateStackCommand,
} from "@aws-sdk/client-cloudformation";

/**
 * Makes up for what moto 5.2.5 leaves out of an executed change set: the stack's outputs and parameters, which its
 * UpdateStack with the same template sets. `src/aws/stacks.test.ts` notices when moto does it by itself.
 */
export function completeChangeSets(client: CloudFormationClient): void {
  const requests = new Map<string, CreateChangeSetCommandInput>();
  let isCompleting = false;
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const answer = await next(args);
      if (context.commandName === "CreateChangeSetCommand") {
        const { Id = "" } = answer.output as { Id?: string };
        requests.set(Id, args.input as CreateChangeSetCommandInput);
      }
      if (context.commandName === "ExecuteChangeSetCommand" && !isCompleting) {
        const { ChangeSetName = "", StackName } = args.input as ExecuteChangeSetCommandInput;
        const { Parameters } = requests.get(ChangeSetName) ?? {};
        isCompleting = true;
        try {
          const { TemplateBody } = await client.send(new GetTemplateCommand({ StackName }));
          // The same template to the letter would be no update.
          const body = `${TemplateBody} `;
          await client.send(new UpdateStackCommand({ StackName, TemplateBody: body, Parameters }));
        } finally {
          isCompleting = false;
        }
      }
      return answer;
    },
    { step: "initialize", name: "completeChangeSets" },
  );
}
