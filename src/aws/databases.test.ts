import { RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { startDatabasePlane } from "../../test/support/aws/database-plane.ts";
import { makeDatabaseResources } from "../../test/support/aws/database-resources.ts";
import { mapNames } from "../../test/support/aws/names.ts";
import { createSystemClock } from "../embedded/clock.ts";
import { databasesContract } from "../ports/databases.contract.ts";
import type { Databases } from "../ports/databases.ts";
import { createAwsClient } from "./client.ts";
import { createDatabases } from "./databases.ts";
import { awsNames } from "./resources.ts";

databasesContract("RDS", async () => {
  const access = await emptyAccount();
  const { resources, dispose } = await makeDatabaseResources(access, testPrefix());
  const isEmulated = access.endpoint !== undefined;
  const plane = isEmulated ? await startDatabasePlane({ accesses: [access] }) : undefined;
  const unmap = plane && mapNames(plane.namesFile);
  const databases = createDatabases({
    rds: createAwsClient(RDSClient, access),
    secrets: createAwsClient(SecretsManagerClient, access),
    resources,
    clock: createSystemClock(),
    ...(plane ? { otherAuthorities: [plane.authority.pem] } : {}),
  });
  const made = new Set<string>();
  const create: Databases["create"] = async (server) => {
    await databases.create(server);
    made.add(server.name);
    // The emulator says at once that an instance is available.
    await plane?.untilServing(awsNames.database(resources.prefix, server.name));
  };
  return {
    databases: {
      create,
      endpoint: (name) => databases.endpoint(name),
      administrator: (name) => databases.administrator(name),
      describe: (name) => databases.describe(name),
      list: () => databases.list(),
      delete: (name) => databases.delete(name),
    },
    zones: ["a", "b"],
    dispose: async () => {
      for (const name of made) await databases.delete(name);
      await plane?.stop();
      unmap?.();
      await dispose();
    },
  };
});
