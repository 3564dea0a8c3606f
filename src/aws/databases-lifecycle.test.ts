import { DescribeDBInstancesCommand, RDSClient, StopDBInstanceCommand } from "@aws-sdk/client-rds";
import {
  DescribeSecretCommand,
  GetSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { type Alter, refusal, startAlteredService } from "../../test/support/aws/altered-service.ts";
import { type DatabaseResources, makeDatabaseResources } from "../../test/support/aws/database-resources.ts";
import { createFakeClock, type FakeClock } from "../../test/support/fake-clock.ts";
import type { Databases } from "../ports/databases.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createDatabases } from "./databases.ts";
import { awsNames } from "./resources.ts";

const isEmulated = process.env.ROWHOUSE_AWS_REAL !== "1";
const zones = ["a", "b"] as const;

// Servers without a Postgres, made and deleted by the dozen: for the emulator alone.
describe.runIf(isEmulated)("making and deleting an instance", () => {
  let access: AwsAccess;
  let made: DatabaseResources;
  let clock: FakeClock;
  let said: string[];
  let stop: (() => Promise<void>) | undefined;

  beforeEach(async () => {
    access = await emptyAccount();
    made = await makeDatabaseResources(access, testPrefix());
    clock = createFakeClock();
    said = [];
  });
  afterEach(async () => {
    await stop?.();
    stop = undefined;
  });

  async function open(alter?: Alter): Promise<Databases> {
    const service = alter && (await startAlteredService(access.endpoint!, alter));
    stop = service?.stop;
    const throughService = service ? { ...access, endpoint: service.endpoint } : access;
    return createDatabases({
      rds: createAwsClient(RDSClient, throughService),
      secrets: createAwsClient(SecretsManagerClient, access),
      resources: made.resources,
      clock,
      log: (message) => said.push(message),
    });
  }

  /** Lets the work go on over all its pauses. */
  async function through<T>(work: Promise<T>): Promise<T> {
    let isDone = false;
    const end = work.finally(() => {
      isDone = true;
    });
    end.catch(() => {});
    while (!isDone) {
      await Promise.race([clock.untilSleeping(), end.catch(() => {})]);
      if (!isDone) await clock.advance(10_000);
    }
    return end;
  }

  const find = async (server = "one") => {
    const DBInstanceIdentifier = awsNames.database(made.resources.prefix, server);
    const client = createAwsClient(RDSClient, access);
    return (await client.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier }))).DBInstances![0]!;
  };
  const readSecret = async () => {
    const SecretId = awsNames.databaseSecret(made.resources.prefix, "one");
    const client = createAwsClient(SecretsManagerClient, access);
    return (await client.send(new GetSecretValueCommand({ SecretId }))).SecretString!;
  };

  it("asks for two zones, encryption, backups and protection, and says whose it is", async () => {
    const { prefix, keyArn, databases: names } = made.resources;
    const databases = await open();
    expect(databases.keepsDeletedDays).toBe(7);
    await databases.create({ name: "one", zones });
    await databases.create({ name: "two", zones, size: "dedicated" });
    expect(await find()).toMatchObject({
      Engine: "postgres",
      EngineVersion: "18",
      DBInstanceClass: "db.t4g.micro",
      MultiAZ: true,
      StorageEncrypted: true,
      KmsKeyId: keyArn,
      StorageType: "gp3",
      MaxAllocatedStorage: 1000,
      BackupRetentionPeriod: 7,
      CopyTagsToSnapshot: true,
      DeletionProtection: true,
      PubliclyAccessible: false,
      Endpoint: { Port: 5432 },
      DBSubnetGroup: { DBSubnetGroupName: names.subnetGroup },
      DBParameterGroups: [{ DBParameterGroupName: names.parameterGroup }],
      VpcSecurityGroups: [{ VpcSecurityGroupId: names.securityGroupId }],
      TagList: [
        { Key: "rowhouse:prefix", Value: prefix },
        { Key: "rowhouse:server", Value: "one" },
      ],
    });
    expect((await find("two")).DBInstanceClass).toBe("db.t4g.small");
    expect((await databases.list()).map(({ name }) => name)).toEqual(["one", "two"]);
    const secrets = createAwsClient(SecretsManagerClient, access);
    const SecretId = awsNames.databaseSecret(prefix, "one");
    expect(await secrets.send(new DescribeSecretCommand({ SecretId }))).toMatchObject({ KmsKeyId: keyArn });
    expect(JSON.parse(await readSecret())).toEqual({
      username: "rowhouse",
      password: expect.stringMatching(/^[\w-]{43}$/),
    });
  });

  it("waits as long as RDS takes, past the states of a new instance that an old one serves in", async () => {
    const phases = ["creating", "creating", "backing-up", "modifying", "rebooting", "available"];
    const databases = await open(async ({ action, forward }) => {
      const answer = await forward();
      if (action !== "DescribeDBInstances" || !answer.includes("<DBInstanceStatus>")) return answer;
      const phase = phases.length > 1 ? phases.shift()! : phases[0]!;
      return asPhase(answer, phase);
    });
    // Something there already, which the controller died before it had seen available.
    await (await createOutside()).create({ name: "one", zones });
    const start = clock.elapsedMilliseconds();
    await through(databases.create({ name: "one", zones }));
    expect(phases).toEqual(["available"]);
    expect(clock.elapsedMilliseconds() - start).toBe(50_000);
    expect(said.map((message) => message.replace(/.* says /, ""))).toEqual([
      "creating",
      "backing-up",
      "modifying",
      "rebooting",
    ]);
  });

  const createOutside = async () =>
    createDatabases({
      rds: createAwsClient(RDSClient, access),
      secrets: createAwsClient(SecretsManagerClient, access),
      resources: made.resources,
      clock,
    });

  function asPhase(answer: string, phase: string): string {
    const isNew = phase !== "available";
    const answered = answer.replace(/(<DBInstanceStatus>)[^<]*/g, `$1${phase}`);
    const withoutBackup = isNew
      ? answered.replace(/<LatestRestorableTime>[^<]*<\/LatestRestorableTime>/g, "")
      : answered;
    return phase === "creating"
      ? withoutBackup.replace(/<Endpoint>[\s\S]*?<\/Endpoint>/g, "")
      : withoutBackup;
  }

  it("takes one that is being backed up for what it is: there", async () => {
    await (await createOutside()).create({ name: "one", zones });
    const databases = await open(async ({ forward }) =>
      (await forward()).replace(/(<DBInstanceStatus>)[^<]*/g, "$1backing-up"),
    );
    await databases.create({ name: "one", zones });
    expect(said).toEqual([]);
  });

  it("gives up after an hour, and says in which state it was", async () => {
    await (await createOutside()).create({ name: "one", zones });
    const databases = await open(async ({ forward }) => asPhase(await forward(), "creating"));
    await expect(databases.endpoint("one")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    await expect(through(databases.create({ name: "one", zones }))).rejects.toMatchObject({
      code: "E_DATABASE_UNAVAILABLE",
      reason: expect.stringContaining("creating"),
    });
    expect(clock.elapsedMilliseconds()).toBe(3_600_000);
  });

  it.each([
    ["incompatible-parameters", "E_DATABASE_UNAVAILABLE"],
    ["storage-full", "E_DISK_FULL"],
  ])("does not wait for what is %s", async (status, code) => {
    const databases = await open(async ({ forward }) => asPhase(await forward(), status));
    await expect(databases.create({ name: "one", zones })).rejects.toMatchObject({
      code,
      reason: expect.stringContaining(status),
    });
  });

  it.each([
    ["InstanceQuotaExceeded", "DB Instance quota exceeded", "E_AWS_QUOTA"],
    ["InsufficientDBInstanceCapacity", "no capacity", "E_AWS_CAPACITY"],
  ])("tells %s, and can be made when that has passed", async (name, message, code) => {
    let isRefused = true;
    const databases = await open(async ({ action, forward }) =>
      action === "CreateDBInstance" && isRefused ? refusal(name, message) : forward(),
    );
    await expect(databases.create({ name: "one", zones })).rejects.toMatchObject({ code });
    const login = await readSecret();
    isRefused = false;
    await databases.create({ name: "one", zones });
    expect(await readSecret()).toBe(login);
  });

  it("goes on when the answer to its request was lost, and when two ask at once", async () => {
    let lost = 1;
    const databases = await open(async ({ action, forward }) => {
      const answer = await forward();
      // The SDK repeats it by itself, and is told that there is one already.
      return action === "CreateDBInstance" && lost-- > 0 ? { status: 503, body: "" } : answer;
    });
    await through(databases.create({ name: "one", zones }));
    await through(
      Promise.all([databases.create({ name: "two", zones }), databases.create({ name: "two", zones })]),
    );
    expect((await databases.list()).map(({ name }) => name)).toEqual(["one", "two"]);
  });

  it("starts one that somebody stopped", async () => {
    const databases = await open();
    await databases.create({ name: "one", zones });
    const client = createAwsClient(RDSClient, access);
    const DBInstanceIdentifier = awsNames.database(made.resources.prefix, "one");
    await client.send(new StopDBInstanceCommand({ DBInstanceIdentifier }));
    expect(await databases.describe("one")).toMatchObject({ status: "down" });
    await through(databases.create({ name: "one", zones }));
    expect(await databases.describe("one")).toMatchObject({ status: "available" });
  });

  it("waits until one that is being deleted is gone, and makes the next", async () => {
    const other = await createOutside();
    await other.create({ name: "one", zones });
    let looks = 0;
    const databases = await open(async ({ action, forward }) => {
      if (action === "DescribeDBInstances" && ++looks === 3) await other.delete("one");
      const answer = await forward();
      return looks < 3 ? answer.replace(/(<DBInstanceStatus>)[^<]*/g, "$1deleting") : answer;
    });
    await expect(databases.endpoint("one")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    await through(databases.create({ name: "one", zones }));
    expect(said).toEqual(["database server one: RDS says deleting"]);
    expect(await databases.describe("one")).toMatchObject({ status: "available" });
  });

  it("deletes what may not be deleted yet as soon as it may, and its login last", async () => {
    const refusals = ["InvalidDBInstanceState", "InvalidDBInstanceState"];
    const databases = await open(async ({ action, forward }) => {
      const code = action === "DeleteDBInstance" ? refusals.shift() : undefined;
      if (code === undefined) return forward();
      expect(await readSecret()).toContain("rowhouse");
      return refusal(code, "Instance is in creating state");
    });
    await databases.create({ name: "one", zones });
    await through(databases.delete("one"));
    expect(refusals).toEqual([]);
    await expect(find()).rejects.toThrow();
    await expect(readSecret()).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    await expect(databases.administrator("one")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });

  it("neither touches nor shows another deployment's instance that happens to have the name", async () => {
    // The deployment "<prefix>" with the server "eu-one" is called as "<prefix>-eu" with the server "one".
    const { prefix } = made.resources;
    const theirs = createDatabases({
      rds: createAwsClient(RDSClient, access),
      secrets: createAwsClient(SecretsManagerClient, access),
      resources: { ...made.resources, prefix: `${prefix}-eu` },
      clock,
    });
    await theirs.create({ name: "one", zones });
    const databases = await open();
    expect(await databases.list()).toEqual([]);
    expect(await databases.describe("eu-one")).toBeUndefined();
    await expect(databases.create({ name: "eu-one", zones })).rejects.toMatchObject({ code: "E_CONFLICT" });
    await databases.delete("eu-one");
    expect(await theirs.describe("one")).toMatchObject({ status: "available" });
  });

  it("refuses a name that is too long for RDS together with the prefix", async () => {
    const databases = createDatabases({
      rds: createAwsClient(RDSClient, access),
      secrets: createAwsClient(SecretsManagerClient, access),
      resources: { ...made.resources, prefix: "p".repeat(30) },
      clock,
    });
    await expect(databases.create({ name: "a".repeat(33), zones })).rejects.toMatchObject({
      code: "E_ARGUMENT",
    });
  });
});
