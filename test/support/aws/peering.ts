import type { CloudFormationClient, CreateChangeSetCommandInput } from "@aws-sdk/client-cloudformation";

const placeholder = { Type: "AWS::CloudFormation::WaitConditionHandle" };

/** In the place of an end: under names of the real ones, something that does nothing. */
const nothing = {
  request: {
    Resources: { Connection: placeholder },
    Outputs: { ConnectionId: { Value: "pcx-00000000000000000" } },
  },
  accept: { Resources: { ThroughDataRouteTable: placeholder } },
  acceptLink: { Resources: { RouteBack: placeholder } },
};

/**
 * moto 5.2.5 knows of no peering of networks in two regions: such stacks are made empty. The emulator's machines reach
 * each other over loopback anyway.
 */
export function leaveOutPeering(
  client: CloudFormationClient,
  endOf: (stackName: string) => keyof typeof nothing | undefined,
): void {
  client.middlewareStack.add(
    (next, context) => (args) => {
      const input = args.input as CreateChangeSetCommandInput;
      const end = endOf(input.StackName ?? "");
      if (context.commandName !== "CreateChangeSetCommand" || !end) return next(args);
      const { TemplateURL: _, Parameters: __, ...rest } = input;
      return next({
        ...args,
        input: { ...rest, TemplateBody: JSON.stringify(nothing[end]), Parameters: [] },
      });
    },
    { step: "initialize", name: "leaveOutPeering" },
  );
}
