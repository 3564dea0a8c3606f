import { CfnCondition, CfnParameter, Fn, type IResolvable } from "aws-cdk-lib";
import type { RowhouseStack } from "./stack.ts";
import { templateParameters } from "./template.ts";

/** Whether what holds data, or an address, refuses to be deleted: yes, until the parameter says "off". */
export interface Protection {
  readonly flag: IResolvable;
  /** The same where a text is asked for. */
  readonly text: string;
}

export function addProtection(stack: RowhouseStack): Protection {
  const parameter = new CfnParameter(stack, templateParameters.protection, {
    type: "String",
    default: "on",
    allowedValues: ["on", "off"],
    description: '"off" lets databases, tables and the balancer be deleted with the stack',
  });
  const condition = new CfnCondition(stack, "IsProtected", {
    expression: Fn.conditionEquals(parameter.valueAsString, "on"),
  });
  return {
    flag: Fn.conditionIf(condition.logicalId, true, false),
    text: Fn.conditionIf(condition.logicalId, "true", "false").toString(),
  };
}
