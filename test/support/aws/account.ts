import { randomInt } from "node:crypto";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { inject } from "vitest";
import type { AwsAccess } from "../../../src/aws/client.ts";

/**
 * Access to an empty account: of its own in the emulator, so that test files don't meet. With ROWHOUSE_AWS_REAL=1 it
 * is the real account of the ordinary credentials; then what a test makes must have a prefix of its own. `emulator` is
 * the address of another than the test run's.
 */
export async function emptyAccount(region = "eu-west-1", emulator?: string): Promise<AwsAccess> {
  if (process.env.ROWHOUSE_AWS_REAL === "1") return { region };
  const endpoint = emulator ?? inject("awsEndpoint");
  const accountId = String(randomInt(100_000_000_000, 999_999_999_999));
  const client = new STSClient({
    region,
    endpoint,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  });
  const { Credentials } = await client.send(
    new AssumeRoleCommand({ RoleArn: `arn:aws:iam::${accountId}:role/test`, RoleSessionName: "test" }),
  );
  client.destroy();
  return {
    region,
    endpoint,
    credentials: {
      accessKeyId: Credentials!.AccessKeyId!,
      secretAccessKey: Credentials!.SecretAccessKey!,
      sessionToken: Credentials!.SessionToken!,
    },
  };
}

/** A prefix that no other test run has. */
export function testPrefix(): string {
  return `rht-${randomInt(36 ** 6)
    .toString(36)
    .padStart(6, "0")}`;
}
