import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { DeleteDBInstanceCommand, ModifyDBInstanceCommand, RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { type DatabasePlane, startDatabasePlane } from "../../test/support/aws/database-plane.ts";
import { type DatabaseResources, makeDatabaseResources } from "../../test/support/aws/database-resources.ts";
import { mapNames, setNames } from "../../test/support/aws/names.ts";
import { createSystemClock } from "../node/clock.ts";
import { databasesContract } from "../ports/databases.contract.ts";
import type { Databases } from "../ports/databases.ts";
import { type ConnectOptions, connect } from "../postgres/connect.ts";
import { WriterPool } from "../postgres/pool.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { administerDatabases, createDatabases, openDatabases } from "./databases.ts";
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
      failOver: async (name) => {
        await databases.failOver(name);
        await plane?.failOver(awsNames.database(resources.prefix, name));
      },
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

const isEmulated = process.env.ROWHOUSE_AWS_REAL !== "1";
const zones = ["a", "b"] as const;

describe.runIf(isEmulated)("a connection to an instance", () => {
  let access: AwsAccess;
  let made: DatabaseResources;
  let plane: DatabasePlane;
  let unmap: () => void;
  let identifier: string;

  beforeAll(async () => {
    access = await emptyAccount();
    made = await makeDatabaseResources(access, testPrefix());
    plane = await startDatabasePlane({ accesses: [access] });
    unmap = mapNames(plane.namesFile);
    await createDatabases({ ...parts(), resources: made.resources, clock: createSystemClock() }).create({
      name: "one",
      zones,
    });
    identifier = awsNames.database(made.resources.prefix, "one");
    await plane.untilServing(identifier);
  });
  afterAll(async () => {
    await plane.stop();
    unmap();
  });

  const parts = () => ({
    rds: createAwsClient(RDSClient, access),
    secrets: createAwsClient(SecretsManagerClient, access),
    resources: { prefix: made.resources.prefix, region: access.region },
  });
  const options = async (changes: Partial<ConnectOptions["endpoint"]> = {}): Promise<ConnectOptions> => {
    const databases = administerDatabases({ ...parts(), otherAuthorities: [plane.authority.pem] });
    return {
      endpoint: { ...(await databases.endpoint("one")), ...changes },
      credentials: await databases.administrator("one"),
      database: "postgres",
      applicationName: "test",
    };
  };

  it("is encrypted", async () => {
    const client = await connect(await options());
    const { rows } = await client.query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    expect(rows).toEqual([{ ssl: true }]);
    await client.end();
  });

  it("is not made without encryption", async () => {
    const { certificateAuthority: _, ...endpoint } = (await options()).endpoint;
    await expect(connect({ ...(await options()), endpoint })).rejects.toMatchObject({ code: "28000" });
  });

  it("is not made to a server whose certificate is another authority's", async () => {
    const { nodes } = await openDatabases(parts()).endpoint("one");
    const rdsAlone = await openDatabases({ ...parts(), otherAuthorities: [] }).endpoint("one");
    await expect(connect({ ...(await options()), endpoint: { ...rdsAlone, nodes } })).rejects.toMatchObject({
      code: "E_DATABASE_UNAVAILABLE",
      cause: { code: expect.stringMatching(/UNABLE_TO_|SELF_SIGNED/) },
    });
  });

  it("is not made to a server whose certificate is for another host", async () => {
    const names = JSON.parse(await readFile(plane.namesFile, "utf8"));
    const other = join(await mkdtemp(join(tmpdir(), "rowhouse-other-name-")), "names.json");
    setNames(other, { "other.test": Object.values<string>(names)[0] });
    const unmapOther = mapNames(other);
    try {
      const nodes = [{ host: "other.test", port: 5432 }];
      await expect(connect(await options({ nodes }))).rejects.toMatchObject({
        code: "E_DATABASE_UNAVAILABLE",
        cause: { code: "ERR_TLS_CERT_ALTNAME_INVALID" },
      });
    } finally {
      unmapOther();
      await rm(dirname(other), { recursive: true });
    }
  });

  it("goes to the standby after a failover, where everything is that was acknowledged", async () => {
    const pool = new WriterPool({ ...(await options()), max: 1 });
    await pool.query("CREATE TABLE kept AS SELECT 1 AS id");
    const address = async () =>
      (await pool.query("SELECT inet_server_addr()::text AS address")).rows[0]?.address;
    const before = await address();
    await plane.failOver(identifier);
    await expect
      .poll(() =>
        pool.query("SELECT id FROM kept").then(
          ({ rows }) => rows,
          () => [],
        ),
      )
      .toEqual([{ id: 1 }]);
    expect(await address()).not.toBe(before);
    await pool.end();
  });

  it("is not failed over without a standby", async () => {
    const databases = createDatabases({ ...parts(), resources: made.resources, clock: createSystemClock() });
    const setMultiAz = (MultiAZ: boolean) =>
      parts().rds.send(
        new ModifyDBInstanceCommand({ DBInstanceIdentifier: identifier, MultiAZ, ApplyImmediately: true }),
      );
    await setMultiAz(false);
    await expect(databases.failOver("one")).rejects.toMatchObject({
      code: "E_STANDBY_BEHIND",
      message: expect.stringContaining("has no standby"),
    });
    await setMultiAz(true);
    await databases.failOver("one");
  });

  it("is made by a program that is told the names and the authority by its environment", async () => {
    const source = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const program = `
      import { RDSClient } from "@aws-sdk/client-rds";
      import { openDatabases } from ${source("./databases.ts")};
      import { connect } from ${source("../postgres/connect.ts")};
      const { access, resources, credentials } = JSON.parse(process.env.GIVEN);
      const databases = openDatabases({ rds: new RDSClient(access), resources });
      const endpoint = await databases.endpoint("one");
      const client = await connect({ endpoint, credentials, database: "postgres", applicationName: "program" });
      const { rows } = await client.query("SELECT current_user AS user");
      console.log(rows[0].user);
      await client.end();`;
    const { credentials } = await options();
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        ...["--import", fileURLToPath(new URL("../../test/support/aws/names.ts", import.meta.url))],
        ...["--input-type=module", "--eval", program],
      ],
      {
        cwd: import.meta.dirname,
        env: {
          ...process.env,
          ROWHOUSE_TEST_NAMES: plane.namesFile,
          NODE_EXTRA_CA_CERTS: plane.authority.file,
          GIVEN: JSON.stringify({ access, resources: parts().resources, credentials }),
        },
      },
    );
    expect(stdout).toBe("rowhouse\n");
  });

  it("ends with the instance, and its name too", async () => {
    const { endpoint } = await options();
    const client = createAwsClient(RDSClient, access);
    await createDatabases({ ...parts(), resources: made.resources, clock: createSystemClock() }).delete(
      "one",
    );
    await expect(
      client.send(new DeleteDBInstanceCommand({ DBInstanceIdentifier: identifier, SkipFinalSnapshot: true })),
    ).rejects.toThrow();
    await expect.poll(async () => JSON.parse(await readFile(plane.namesFile, "utf8"))).toEqual({});
    const gone = { endpoint, credentials: { user: "rowhouse", password: "" }, database: "postgres" };
    await expect(connect({ ...gone, applicationName: "test" })).rejects.toMatchObject({
      code: "E_DATABASE_UNAVAILABLE",
    });
  });
});
