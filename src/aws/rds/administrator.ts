import {
  CreateSecretCommand,
  DeleteSecretCommand,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import { generatePassword } from "../../postgres/scram.ts";
import { parseLogin, readSecret } from "../control-login.ts";
import { isAwsError } from "../fault.ts";
import { awsNames, awsTags } from "../resources.ts";

/** Name of the administrator's role on every server. */
export const administratorRole = "rowhouse";

const retryMilliseconds = 2_000;
const deadlineMilliseconds = 120_000;

/** Which secret, and under which key of KMS. */
export interface AdministratorSecret {
  readonly client: SecretsManagerClient;
  readonly prefix: string;
  readonly server: string;
  readonly keyArn: string;
}

/** The administrator's login as its secret says; `undefined` when there is none. */
export async function readAdministrator(
  secret: Pick<AdministratorSecret, "client" | "prefix" | "server">,
): Promise<DatabaseCredentials | undefined> {
  const text = await readSecret(secret.client, awsNames.databaseSecret(secret.prefix, secret.server));
  return text === undefined ? undefined : parseLogin(text);
}

/** The login that is there, or a new one; of two callers at once, both get the first one's. */
export async function ensureAdministrator(
  secret: AdministratorSecret,
  clock: Clock,
): Promise<DatabaseCredentials> {
  const deadline = clock.elapsedMilliseconds() + deadlineMilliseconds;
  for (;;) {
    const found = await readAdministrator(secret).catch(ignoreDeletion);
    if (found) return found;
    try {
      return await writeAdministrator(secret);
    } catch (error) {
      // Another was first; or the name is still taken by a secret that is being deleted, which takes a while.
      if (!isAwsError(error, "ResourceExistsException", "InvalidRequestException")) throw error;
      if (clock.elapsedMilliseconds() >= deadline) throw takenFault(secret, error);
    }
    await clock.sleep(retryMilliseconds);
  }
}

/**
 * Removes the login for good, and returns when it can't be read any more, so that the next server of the name does not
 * get a login that is about to vanish. None to remove is no error.
 */
export async function deleteAdministrator(
  secret: Pick<AdministratorSecret, "client" | "prefix" | "server">,
  clock: Clock,
): Promise<void> {
  const SecretId = awsNames.databaseSecret(secret.prefix, secret.server);
  try {
    await secret.client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }));
  } catch (error) {
    if (!isAwsError(error, "ResourceNotFoundException")) throw error;
  }
  const deadline = clock.elapsedMilliseconds() + deadlineMilliseconds;
  while (await readAdministrator(secret).catch(ignoreDeletion)) {
    if (clock.elapsedMilliseconds() >= deadline)
      throw fault("E_AWS_UNAVAILABLE", `The secret ${SecretId} was deleted, and can still be read.`);
    await clock.sleep(retryMilliseconds);
  }
}

async function writeAdministrator(secret: AdministratorSecret): Promise<DatabaseCredentials> {
  // Base64url has none of the characters that RDS refuses in a password: / ' " @ and the space.
  const login = { user: administratorRole, password: generatePassword() };
  await secret.client.send(
    new CreateSecretCommand({
      Name: awsNames.databaseSecret(secret.prefix, secret.server),
      Description: `Administrator of Rowhouse's database server ${secret.server}`,
      KmsKeyId: secret.keyArn,
      SecretString: JSON.stringify({ username: login.user, password: login.password }),
      Tags: [
        { Key: awsTags.prefix, Value: secret.prefix },
        { Key: awsTags.server, Value: secret.server },
      ],
    }),
  );
  return login;
}

/** A secret that is scheduled for deletion can't be read, and says so by this name alone. */
function ignoreDeletion(error: unknown): undefined {
  if (!isAwsError(error, "InvalidRequestException")) throw error;
  return undefined;
}

function takenFault(secret: AdministratorSecret, cause: Error): Error {
  const name = awsNames.databaseSecret(secret.prefix, secret.server);
  return fault(
    "E_CONFLICT",
    `The secret ${name} is scheduled for deletion, and its name is taken until then.`,
    {
      cause,
      remedy: `Get it back by \`aws secretsmanager restore-secret --secret-id ${name}\`, and try again.`,
    },
  );
}
