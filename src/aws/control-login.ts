import {
  CreateSecretCommand,
  GetSecretValueCommand,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { z } from "zod";
import { fault } from "../core/error.ts";
import type { DatabaseCredentials } from "../ports/databases.ts";
import type { LoginStore } from "../postgres/control-database.ts";
import { isAwsError } from "./fault.ts";
import { awsNames, awsTags } from "./resources.ts";

const storedLogin = z.object({ username: z.string(), password: z.string() });

/** The login of a control database as a secret of the region, under the region's key. */
export function secretLogin(parts: {
  readonly client: SecretsManagerClient;
  readonly prefix: string;
  readonly database: string;
  readonly keyArn: string;
}): LoginStore {
  const { client, prefix, database, keyArn } = parts;
  const name = awsNames.controlLogin(prefix, database);
  return {
    async read() {
      const text = await readSecret(client, name);
      return text === undefined ? undefined : parseLogin(text);
    },
    async write({ user, password }) {
      await client.send(
        new CreateSecretCommand({
          Name: name,
          KmsKeyId: keyArn,
          SecretString: JSON.stringify({ username: user, password }),
          Tags: [{ Key: awsTags.prefix, Value: prefix }],
        }),
      );
    },
  };
}

/** The login in a secret's text `{ "username", "password" }`. Throws zod's error for another text. */
export function parseLogin(text: string): DatabaseCredentials {
  const { username, password } = storedLogin.parse(JSON.parse(text));
  return { user: username, password };
}

/** A secret's text; `undefined` when there is none. */
export async function readSecret(client: SecretsManagerClient, name: string): Promise<string | undefined> {
  try {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: name }));
    return SecretString;
  } catch (error) {
    if (isAwsError(error, "ResourceNotFoundException")) return undefined;
    throw error;
  }
}

/** A secret that the deployment made. @throws E_NOT_FOUND before it has */
export async function requireSecret(client: SecretsManagerClient, name: string): Promise<string> {
  const text = await readSecret(client, name);
  if (text !== undefined) return text;
  throw fault("E_NOT_FOUND", `There is no secret ${name}.`, { remedy: "Deploy with `rowhouse aws deploy`." });
}
