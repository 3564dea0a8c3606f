import { Template as Assertions } from "aws-cdk-lib/assertions";
import type { CloudFormationResource, Template } from "../../../src/aws/stacks/template.ts";

type Properties = Record<string, unknown>;

/** All resources of a type, each with its stack and logical id, as in `bookshop-eu-west-1/Cache`. */
export function resourcesOf(
  type: string,
  among: readonly Template[],
): { id: string; properties: Properties; resource: CloudFormationResource }[] {
  return among.flatMap(({ stackName, template }) =>
    Object.entries(template.Resources)
      .filter(([, resource]) => resource.Type === type)
      .map(([id, resource]) => ({
        id: `${stackName}/${id}`,
        properties: resource.Properties as Properties,
        resource,
      })),
  );
}

/** CDK's assertions on a template. */
export function assertions({ template }: Template): Assertions {
  return Assertions.fromJSON(template as unknown as Properties);
}
