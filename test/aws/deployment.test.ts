import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { HeadObjectCommand } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleKeys } from "../../src/aws/bundle.ts";
import { type AwsAccess, createAwsClient } from "../../src/aws/client.ts";
import { createS3Client } from "../../src/aws/data-platform.ts";
import { readGlobalDocument, readRegionDocument } from "../../src/aws/document.ts";
import { createRegistry } from "../../src/aws/registry.ts";
import { awsNames } from "../../src/aws/resources.ts";
import { regionsDomain } from "../../src/core/registry/domains.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import { Deployment } from "../../src/programs/aws/deploy/deployment.ts";
import type { PackedSoftware } from "../../src/programs/aws/deploy/software.ts";
import { emptyAccount, testPrefix } from "../support/aws/account.ts";
import { completeChangeSets } from "../support/aws/change-sets.ts";
import { emulatorParameters } from "../support/aws/emulator-parameters.ts";
import { exampleConfig } from "../support/aws/example-templates.ts";

const region = "eu-west-1";

/** Two small files in the place of Rowhouse and Node. */
async function packSomething(folder: string): Promise<PackedSoftware> {
  const hash = (text: string) => createHash("sha256").update(text).digest("hex");
  const [rowhouse, node] = [bundleKeys.rowhouse("0.0.0"), bundleKeys.node("26.0.0", "arm64")].map(
    (key, index) => ({ key, file: join(folder, String(index)), sha256: hash(key) }),
  );
  for (const { file, key } of [rowhouse!, node!]) await writeFile(file, key);
  return {
    archives: [rowhouse!, node!],
    software: {
      rowhouse: { version: "0.0.0", sha256: rowhouse!.sha256 },
      node: { version: "26.0.0", sha256: { arm64: node!.sha256 } },
    },
  };
}

// On a real account a deployment costs more than a test may.
describe.skipIf(process.env.ROWHOUSE_AWS_REAL === "1")("a deployment on the emulator", () => {
  const config = exampleConfig(1, { prefix: testPrefix() });
  const zip = randomBytes(100);
  const release = { version: "1", sha256: createHash("sha256").update(zip).digest("hex"), zip };
  let folder: string;
  let access: AwsAccess;
  let deployment: Deployment;
  let open: () => Promise<Deployment>;
  const messages: string[] = [];
  const onProgress = (message: string) => void messages.push(message);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rowhouse-test-deployment-"));
    access = await emptyAccount(region);
    const packed = await packSomething(folder);
    const given = await emulatorParameters(access, {
      domain: config.domain,
      cacheEndpoint: "127.0.0.1:6379",
    });
    const clients = new Map<string, CloudFormationClient>();
    const cloudFormation = (to: AwsAccess) => {
      const client = clients.get(to.region) ?? createAwsClient(CloudFormationClient, to, { maxAttempts: 1 });
      if (!clients.has(to.region)) completeChangeSets(client);
      clients.set(to.region, client);
      return client;
    };
    open = () =>
      Deployment.open({
        config,
        version: "0.0.0-test",
        accessTo: (name) => ({ ...access, region: name }),
        clock: createSystemClock(),
        packed,
        given,
        hasTerminationProtection: false,
        cloudFormation,
      });
    deployment = await open();
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  // moto has no CloudFront distribution of the edge's kind, and ignores what it can't make.
  const names = ["zone", "control-plane", region];

  it("is of everything that the config starts, in the order in which one part needs the other", async () => {
    expect(await deployment.names()).toEqual([...names, "edge"]);
    await expect(deployment.names("mars-north-1")).rejects.toMatchObject({ code: "E_REGION_UNKNOWN" });
  });

  it("shows all changes first, then makes them", async () => {
    const plans = [];
    for (const name of names) plans.push(await deployment.stacks.plan(name));
    for (const plan of plans) expect(plan.changes.length).toBeGreaterThan(0);
    for (const plan of plans) await deployment.apply(plan, { release, mayHaveChanged: true, onProgress });
    for (const name of names)
      expect(await deployment.stacks.describe(name)).toMatchObject({ status: "ready", problem: null });
  }, 120_000);

  it("gives servers what they run, and the documents by which they start", async () => {
    const s3 = createS3Client(access);
    const global = await deployment.global();
    const { prefix } = config.aws;
    const bucket = awsNames.bucket(prefix, region, deployment.accountId);
    expect(await readRegionDocument(s3, bucket)).toMatchObject({
      version: "0.0.0-test",
      resources: { prefix, region, bucket },
      global: { apiUrl: "https://api.bookshop.example" },
    });
    expect(await readGlobalDocument(s3, global.bucket)).toMatchObject({ global: { prefix } });
    for (const Bucket of [bucket, global.bucket]) {
      for (const Key of [bundleKeys.rowhouse("0.0.0"), bundleKeys.node("26.0.0", "arm64")])
        await s3.send(new HeadObjectCommand({ Bucket, Key }));
    }
    await s3.send(new HeadObjectCommand({ Bucket: bucket, Key: "releases/1.zip" }));
  });

  it("tells the control plane of the region, and the region of its release", async () => {
    const client = createAwsClient(DynamoDBClient, access);
    const { registryTable } = await deployment.global();
    const regions = await createRegistry({ client, table: registryTable }).query(regionsDomain);
    const table = `${config.aws.prefix}-registry`;
    expect(regions).toMatchObject([{ name: region, attributes: { registryTable: table } }]);
    expect(await createRegistry({ client, table }).get("release", "current")).toMatchObject({
      attributes: { version: "1", sha256: release.sha256 },
    });
  });

  it("has nothing left to do the next time, with the networks that there are", async () => {
    const again = await open();
    for (const name of names) expect((await again.stacks.plan(name)).changes).toEqual([]);
  }, 60_000);

  it("has the control plane forget a region before its stacks go, which moto can't lift the protection of", async () => {
    // It fails over the update of a stack with so many kinds of resources; src/aws/stacks.test.ts deletes small ones.
    await expect(deployment.remove(region, onProgress)).rejects.toMatchObject({ code: "E_AWS_UNAVAILABLE" });
    expect(messages.at(-1)).toContain("lifting the protection");
    const client = createAwsClient(DynamoDBClient, access);
    const { registryTable } = await deployment.global();
    expect(await createRegistry({ client, table: registryTable }).query(regionsDomain)).toEqual([]);
  }, 60_000);
});
