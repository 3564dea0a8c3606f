import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import { parseLogin, readSecret } from "../control-login.ts";
import { isAwsError } from "../fault.ts";
import { awsNames, awsTags } from "../resources.ts";
import { readAdministrator } from "./administrator.ts";
import type { ReplicaName } from "./replica.ts";

/** Where a replica's login is: in the replica's region, so that it is there when the source's region is not. */
interface ReplicaLogin extends ReplicaName {
  readonly client: SecretsManagerClient;
  readonly prefix: string;
}

const retryMilliseconds = 2_000;
const deadlineMilliseconds = 120_000;

/** A replica's administrator is its source's; `undefined` when its login is not kept. */
export async function readReplicaLogin(login: ReplicaLogin): Promise<DatabaseCredentials | undefined> {
  const text = await readSecret(login.client, nameOf(login));
  return text === undefined ? undefined : parseLogin(text);
}

/** Keeps the login of the source's administrator beside the replica. Returns false when the source has no such server. */
export async function keepReplicaLogin(
  login: ReplicaLogin & { readonly from: SecretsManagerClient; readonly keyArn: string },
  clock: Clock,
): Promise<boolean> {
  const { client, prefix, source, server, from, keyArn } = login;
  const administrator = await readAdministrator({ client: from, prefix, server });
  if (!administrator) return false;
  const Name = nameOf(login);
  const { user: username, password } = administrator;
  const SecretString = JSON.stringify({ username, password });
  const Tags = [
    { Key: awsTags.prefix, Value: prefix },
    { Key: awsTags.replicaOf, Value: `${source}/${server}` },
  ];
  const deadline = clock.elapsedMilliseconds() + deadlineMilliseconds;
  for (;;) {
    try {
      await client.send(new CreateSecretCommand({ Name, KmsKeyId: keyArn, SecretString, Tags }));
      return true;
    } catch (error) {
      if (isAwsError(error, "ResourceExistsException")) {
        await client.send(new PutSecretValueCommand({ SecretId: Name, SecretString }));
        return true;
      }
      // The name is still taken by a secret that was deleted a moment ago.
      if (!isAwsError(error, "InvalidRequestException") || clock.elapsedMilliseconds() >= deadline)
        throw error;
      await clock.sleep(retryMilliseconds);
    }
  }
}

/** None to remove is no error. */
export async function deleteReplicaLogin(login: ReplicaLogin): Promise<void> {
  const command = new DeleteSecretCommand({ SecretId: nameOf(login), ForceDeleteWithoutRecovery: true });
  await login.client.send(command).catch((error: unknown) => {
    if (!isAwsError(error, "ResourceNotFoundException")) throw error;
  });
}

function nameOf({ prefix, source, server }: ReplicaLogin): string {
  return awsNames.replicaSecret(prefix, source, server);
}
