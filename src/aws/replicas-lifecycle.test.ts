import { DescribeDBInstancesCommand, ModifyDBInstanceCommand, RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { beforeAll, describe, expect, it } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { makeDatabaseResources } from "../../test/support/aws/database-resources.ts";
import { dyingAt } from "../../test/support/aws/dying-client.ts";
import { hurriedClock, recoveryRegion, sourceRegion } from "../../test/support/aws/replica-regions.ts";
import type { Databases } from "../ports/databases.ts";
import type { Replicas } from "../ports/replicas.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createDatabases } from "./databases.ts";
import { readAdministrator } from "./rds/administrator.ts";
import type { ReplicaResources } from "./rds/replica.ts";
import { createReplicas } from "./replicas.ts";
import { awsNames, awsTags, type RegionResources } from "./resources.ts";

type Resources = ReplicaResources & Pick<RegionResources, "region">;

const zones = ["a", "b"] as const;
const source = sourceRegion;

// Replicas without a Postgres, made and promoted by the dozen: for the emulator alone.
describe.runIf(process.env.ROWHOUSE_AWS_REAL !== "1")("a replica's instance", () => {
  const prefix = testPrefix();
  const clock = hurriedClock;
  let account: AwsAccess;
  let here: AwsAccess;
  let resources: Resources;
  let sources: Databases;
  let servers: Databases;

  beforeAll(async () => {
    account = await emptyAccount(source);
    here = { ...account, region: recoveryRegion };
    const { Account: accountId = "" } = await new STSClient(account).send(new GetCallerIdentityCommand({}));
    const there = (await makeDatabaseResources(account, prefix)).resources;
    resources = { ...(await makeDatabaseResources(here, prefix)).resources, accountId };
    sources = createDatabases({ ...clientsOf(account), resources: there, clock });
    servers = createDatabases({ ...clientsOf(here), resources, clock });
  });

  const clientsOf = (access: AwsAccess) => ({
    rds: createAwsClient(RDSClient, access),
    secrets: createAwsClient(SecretsManagerClient, access),
  });
  const open = (clients = clientsOf(here)): Replicas =>
    createReplicas({
      ...clients,
      resources,
      clock,
      secretsOf: (region) => createAwsClient(SecretsManagerClient, { ...account, region }),
    });
  const find = async (DBInstanceIdentifier: string) => {
    const client = createAwsClient(RDSClient, here);
    return (await client.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier }))).DBInstances![0]!;
  };
  const tagsOf = async (identifier: string) =>
    Object.fromEntries((await find(identifier)).TagList!.map(({ Key, Value }) => [Key, Value]));

  /** Does it again and again, each time dying one call later, until it lives; then has it done to the end. */
  async function throughDeaths(work: (replicas: Replicas) => Promise<void>, prepare: () => Promise<void>) {
    let deaths = 0;
    for (const moment of ["before", "after"] as const) {
      for (let call = 1; ; call++) {
        await prepare();
        const clients = clientsOf(here);
        const died = dyingAt(Object.values(clients), { call, moment });
        await work(open(clients)).catch((error: unknown) => {
          if (!died()) throw error;
        });
        if (!died()) break;
        deaths++;
        await work(open());
      }
    }
    return deaths;
  }

  it("is in the recovery region's network and under its key, and asked for in the source's region's name", async () => {
    const requests: string[] = [];
    const clients = clientsOf(here);
    clients.rds.middlewareStack.add(
      (next) => (args) => {
        requests.push(String((args.request as { body?: string }).body));
        return next(args);
      },
      { step: "finalizeRequest", priority: "low" },
    );
    await sources.create({ name: "one", zones });
    await open(clients).create({ source, server: "one" });
    const identifier = awsNames.replica(prefix, source, "one");
    expect(await find(identifier)).toMatchObject({
      KmsKeyId: resources.keyArn,
      StorageEncrypted: true,
      MultiAZ: false,
      PubliclyAccessible: false,
      DBSubnetGroup: { DBSubnetGroupName: resources.databases.subnetGroup },
      VpcSecurityGroups: [{ VpcSecurityGroupId: resources.databases.securityGroupId }],
      ReadReplicaSourceDBInstanceIdentifier: expect.stringContaining(`:rds:${source}:`),
    });
    expect(await tagsOf(identifier)).toEqual({
      [awsTags.prefix]: prefix,
      [awsTags.replicaOf]: `${source}/one`,
    });
    const asked = new URLSearchParams(requests.find((body) => body.includes("CreateDBInstanceReadReplica")));
    const signed = new URL(asked.get("PreSignedUrl")!);
    expect(signed.hostname).toBe(`rds.${source}.amazonaws.com`);
    expect(signed.searchParams.get("X-Amz-Credential")).toContain(`/${source}/rds/`);
    expect(signed.searchParams.get("DestinationRegion")).toBe(recoveryRegion);
  });

  it("is no server of its region, and a server's name is not its own", async () => {
    expect(await servers.list()).toEqual([]);
    expect(await open().list()).toEqual([{ source, server: "one", status: "following", lagSeconds: null }]);
  });

  it("becomes a server with a new login, whose standby and protection it gets", async () => {
    const passwords: (string | undefined)[] = [];
    const clients = clientsOf(here);
    clients.rds.middlewareStack.add(
      (next, context) => (args) => {
        if (context.commandName === ModifyDBInstanceCommand.name)
          passwords.push((args.input as { MasterUserPassword?: string }).MasterUserPassword);
        return next(args);
      },
      { step: "initialize" },
    );
    await open(clients).promote({ source, server: "one", name: "recovered", zones });
    const login = await readAdministrator({ client: clients.secrets, prefix, server: "recovered" });
    const old = await sources.administrator("one");
    expect(passwords.filter((password) => password !== undefined)).toEqual([login!.password]);
    expect(login!.password).not.toBe(old.password);
    expect(await find(awsNames.database(prefix, "recovered"))).toMatchObject({
      MultiAZ: true,
      DeletionProtection: true,
      BackupRetentionPeriod: 7,
    });
    expect(await tagsOf(awsNames.database(prefix, "recovered"))).toEqual({
      [awsTags.prefix]: prefix,
      [awsTags.server]: "recovered",
    });
    expect((await servers.list()).map(({ name }) => name)).toEqual(["recovered"]);
    expect(await open().list()).toEqual([]);
  });

  it("is made, however often it dies on the way", async () => {
    await sources.create({ name: "made", zones });
    const deaths = await throughDeaths(
      (replicas) => replicas.create({ source, server: "made" }),
      () => open().delete({ source, server: "made" }),
    );
    expect(deaths).toBeGreaterThan(4);
    expect(await find(awsNames.replica(prefix, source, "made"))).toMatchObject({
      DBInstanceStatus: "available",
    });
    const deletions = await throughDeaths(
      (replicas) => replicas.delete({ source, server: "made" }),
      () => open().create({ source, server: "made" }),
    );
    expect(deletions).toBeGreaterThan(4);
    expect(await open().list()).toEqual([]);
  }, 120_000);

  it("is promoted, at whichever call it died", async () => {
    let round = 0;
    await sources.create({ name: "again", zones });
    const deaths = await throughDeaths(
      async (replicas) => {
        await replicas.promote({ source, server: "again", name: `again-${round}`, zones });
        const name = awsNames.database(prefix, `again-${round}`);
        expect(await tagsOf(name)).toEqual({ [awsTags.prefix]: prefix, [awsTags.server]: `again-${round}` });
        expect((await find(name)).MultiAZ).toBe(true);
        expect(await servers.administrator(`again-${round}`)).toMatchObject({ user: "rowhouse" });
      },
      async () => {
        round++;
        await open().create({ source, server: "again" });
      },
    );
    expect(deaths).toBeGreaterThan(20);
    expect(await open().list()).toEqual([]);
  }, 240_000);

  it("refuses a name that a server has", async () => {
    await sources.create({ name: "two", zones });
    await open().create({ source, server: "two" });
    await expect(open().promote({ source, server: "two", name: "recovered", zones })).rejects.toMatchObject({
      code: "E_CONFLICT",
    });
    expect(await open().list()).toMatchObject([{ server: "two", status: "following" }]);
  });

  it("is not made of a server without backups, and says what to do", async () => {
    await sources.create({ name: "bare", zones });
    await createAwsClient(RDSClient, account).send(
      new ModifyDBInstanceCommand({
        DBInstanceIdentifier: awsNames.database(prefix, "bare"),
        BackupRetentionPeriod: 0,
      }),
    );
    await expect(open().create({ source, server: "bare" })).rejects.toMatchObject({
      code: "E_DATABASE_UNAVAILABLE",
      message: expect.stringContaining("backup retention period"),
    });
  });
});
