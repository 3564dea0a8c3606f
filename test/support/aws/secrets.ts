import { randomBytes } from "node:crypto";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { AwsAccess } from "../../../src/aws/client.ts";
import { administratorRole } from "../../../src/aws/rds/administrator.ts";
import { awsNames, directoryDatabaseServer } from "../../../src/aws/resources.ts";

const randomText = () => randomBytes(32).toString("hex");

/** The secrets of a deployment's stacks, beforehand: moto 5.2.5 ignores those in templates. */
export async function makeStackSecrets(options: {
  readonly access: AwsAccess;
  readonly prefix: string;
  readonly controlRegion: string;
  readonly regions: readonly string[];
}): Promise<void> {
  const { access, prefix, controlRegion } = options;
  const internalToken = randomText();
  const administrator = () => JSON.stringify({ username: administratorRole, password: randomText() });
  const secrets: readonly (readonly [region: string, name: string, value: string])[] = [
    [controlRegion, awsNames.databaseSecret(prefix, directoryDatabaseServer), administrator()],
    [controlRegion, awsNames.operatorToken(prefix), randomText()],
    ...[...new Set([controlRegion, ...options.regions])].map(
      (region) => [region, awsNames.internalToken(prefix), internalToken] as const,
    ),
    ...options.regions.map(
      (region) => [region, awsNames.databaseSecret(prefix, "shared-1"), administrator()] as const,
    ),
  ];
  for (const [region, Name, SecretString] of secrets) {
    const client = new SecretsManagerClient({ ...access, region });
    await client.send(new CreateSecretCommand({ Name, SecretString }));
    client.destroy();
  }
}
