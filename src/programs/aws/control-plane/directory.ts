import { RDSClient } from "@aws-sdk/client-rds";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type AwsAccess, createAwsClient } from "../../../aws/client.ts";
import { requireSecret } from "../../../aws/control-login.ts";
import { administerDatabases } from "../../../aws/databases.ts";
import { connectToDirectory, directoryDatabase } from "../../../aws/platform.ts";
import { awsNames, type GlobalResources } from "../../../aws/resources.ts";
import { Directory } from "../../../control/directory.ts";
import { IdempotencyKeys } from "../../../control/idempotency-keys.ts";
import { Operators } from "../../../control/operators.ts";
import { prepareControlSchema } from "../../../control/schema.ts";
import type { Clock } from "../../../ports/clock.ts";
import { ensureControlDatabase } from "../../../postgres/control-database.ts";
import { WriterPool } from "../../../postgres/pool.ts";

/** The control plane's own data while it is open. */
export interface OpenDirectory {
  readonly directory: Directory;
  readonly operators: Operators;
  readonly idempotencyKeys: IdempotencyKeys;
  readonly pool: WriterPool;
  close(): Promise<void>;
}

/** Makes the directory's database at the first time, and brings its tables up to date. */
export async function openDirectory(parts: {
  readonly access: AwsAccess;
  readonly global: GlobalResources;
  readonly secrets: SecretsManagerClient;
  readonly clock: Clock;
}): Promise<OpenDirectory> {
  const { access, global, secrets, clock } = parts;
  const rds = createAwsClient(RDSClient, access);
  const databases = administerDatabases({ rds, secrets, resources: global });
  await ensureControlDatabase(databases, directoryDatabase(secrets, global));
  const connection = await connectToDirectory(access, global, "rowhouse control plane");
  const pool = new WriterPool({ ...connection, max: 10 });
  await prepareControlSchema(pool, "directory");
  const operators = new Operators({ directory: pool, clock });
  await operators.put("first", await requireSecret(secrets, awsNames.operatorToken(global.prefix)));
  return {
    directory: new Directory(pool),
    operators,
    idempotencyKeys: new IdempotencyKeys(pool),
    pool,
    close: () => pool.end(),
  };
}
