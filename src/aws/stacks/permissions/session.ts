import { type PolicyStatement, statement } from "./statement.ts";

/**
 * A shell on a server by Session Manager in place of SSH, and no more of Systems Manager: AWS's own policy would let the
 * server read every parameter of the account. These actions know no resources.
 * Source: AWS Systems Manager, "Verify or add instance permissions for Session Manager".
 */
export const sessionStatements: readonly PolicyStatement[] = [
  statement(
    "SessionManager",
    [
      "ssm:UpdateInstanceInformation",
      "ssmmessages:CreateControlChannel",
      "ssmmessages:CreateDataChannel",
      "ssmmessages:OpenControlChannel",
      "ssmmessages:OpenDataChannel",
    ],
    ["*"],
  ),
];
