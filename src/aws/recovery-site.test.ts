import { text } from "node:stream/consumers";
import { KMSClient } from "@aws-sdk/client-kms";
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { exampleConfig } from "../../test/support/aws/example-templates.ts";
import { createTestKey } from "../../test/support/aws/key.ts";
import {
  openReplicaRegions,
  type ReplicaRegion,
  type ReplicaRegions,
  recoveryRegion,
  sourceRegion,
} from "../../test/support/aws/replica-regions.ts";
import { createSystemClock } from "../node/clock.ts";
import { createAwsClient } from "./client.ts";
import { createS3Client } from "./data-platform.ts";
import type { RegionDocument } from "./document.ts";
import { createKeys } from "./keys.ts";
import { openRecoverySite } from "./recovery-site.ts";
import { awsNames, regionDocumentKey } from "./resources.ts";

const config = exampleConfig(2);
const clock = createSystemClock();
const replicaOfAll = { source: sourceRegion, server: "shared-1" };

// Two regions of one account; on a real one they take a whole deployment.
describe.runIf(process.env.ROWHOUSE_AWS_REAL !== "1")("a recovery site", () => {
  let regions: ReplicaRegions;
  let bucket: string;

  beforeAll(async () => {
    regions = await openReplicaRegions();
    bucket = awsNames.bucket(regions.prefix, recoveryRegion, regions.recovery.resources.accountId);
  }, 60_000);
  afterAll(() => regions.dispose(), 60_000);

  const group = { launchTemplateId: "lt-1", autoScalingGroup: "group" };
  /** What a deployment writes into a region's bucket. */
  function documentOf({ resources }: ReplicaRegion, of: typeof config = config): RegionDocument {
    const { prefix, region, accountId } = resources;
    const common = {
      bucket: awsNames.bucket(prefix, region, accountId),
      ...{ registryTable: "registry", vpcId: "vpc-1" },
    };
    const global = {
      ...{ prefix, region, accountId, keyArn: resources.keyArn },
      ...{ hostedZoneId: "Z1", vpcCidr: "10.16.0.0/16", apiUrl: "https://api", url: "https://", group },
    };
    return {
      version: "0.0.0-test",
      config: of,
      resources: {
        ...resources,
        ...common,
        privateSubnets: {},
        cacheEndpoint: "localhost:6379",
        loadBalancer: { dnsName: "localhost", targetGroupArn: "arn" },
        groups: { app: group, worker: group, controller: group },
        alarmTopicArn: "arn",
      },
      global: { ...common, ...global },
    };
  }
  const s3 = () => createS3Client(regions.recovery.access);
  const open = (of?: typeof config) =>
    openRecoverySite({
      document: documentOf(regions.source, of),
      access: regions.source.access,
      clock,
      log: () => {},
    });

  it("is not there while the recovery region is not deployed, and then it is", async () => {
    expect(await open()).toBeUndefined();
    await s3().send(
      new CreateBucketCommand({
        Bucket: bucket,
        CreateBucketConfiguration: { LocationConstraint: recoveryRegion },
      }),
    );
    const VersioningConfiguration = { Status: "Enabled" as const };
    await s3().send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
    expect(await open()).toBeUndefined();
    const Body = JSON.stringify(documentOf(regions.recovery));
    await s3().send(new PutObjectCommand({ Bucket: bucket, Key: regionDocumentKey, Body }));
    expect(await open()).toMatchObject({ region: recoveryRegion, replicatesFiles: true });
  });

  it("is none of a region that names none", async () => {
    expect(await open(exampleConfig(1))).toBeUndefined();
  });

  it("keeps objects in the recovery region's bucket, with versions, until they are purged", async () => {
    const { objects } = (await open())!;
    await objects.put({ key: "backups/acme/1/archive", body: Buffer.from("one") });
    await objects.put({ key: "backups/acme/1/archive", body: Buffer.from("two") });
    await objects.put({ key: "backups/acme2/1/archive", body: Buffer.from("another's") });
    // Hidden by somebody, and what S3's replication lays beside it.
    await s3().send(new DeleteObjectCommand({ Bucket: bucket, Key: "backups/acme/1/archive" }));
    await s3().send(
      new PutObjectCommand({ Bucket: bucket, Key: "backups/acme/2/archive", Body: "replicated" }),
    );
    const found = await objects.get("backups/acme/2/archive");
    expect(await text(found!.body)).toBe("replicated");
    expect((await objects.versions("backups/acme/1/archive")).length).toBe(2);
    expect(await objects.purge("backups/acme/")).toBeGreaterThanOrEqual(3);
    expect((await objects.listVersions({ prefix: "backups/acme/" })).versions).toEqual([]);
    expect(await objects.head("backups/acme2/1/archive")).toMatchObject({ size: 9 });
  });

  it("closes what the recovery region's key alone opens", async () => {
    const { keys } = (await open())!;
    const sealed = await keys.encrypt("only there", { slug: "acme" });
    const of = ({ access, resources }: ReplicaRegion) =>
      createKeys({ client: createAwsClient(KMSClient, access), keyArn: resources.keyArn, clock });
    expect(await of(regions.recovery).decrypt(sealed, { slug: "acme" })).toBe("only there");
    const other = await createTestKey(regions.source.access, regions.prefix);
    const here = createKeys({ client: other.client, keyArn: other.keyArn, clock });
    await expect(here.decrypt(sealed, { slug: "acme" })).rejects.toMatchObject({
      // KMS says of another region's ciphertext that it is none; the emulator, that it is not allowed.
      code: expect.stringMatching(/^E_(DECRYPT|AWS_ACCESS)$/),
    });
  });

  it("keeps standbys where the config wants them, and removes them where it no longer does", async () => {
    await regions.source.databases.create({ name: replicaOfAll.server, zones: ["a", "b"] });
    const { replicas } = (await open())!;
    await replicas!.create(replicaOfAll);
    await regions.plane.untilServing(awsNames.replica(regions.prefix, sourceRegion, replicaOfAll.server));
    const [found] = await replicas!.list();
    expect(found).toMatchObject({ ...replicaOfAll, status: "following" });
    const { [sourceRegion]: own, ...others } = config.regions;
    const without = {
      ...config,
      regions: { [sourceRegion]: { ...own!, recoveryStandby: false }, ...others },
    };
    expect((await open(without))?.replicas).toBeUndefined();
    await expect.poll(() => regions.replicas().list(), { timeout: 20_000 }).toEqual([]);
  }, 60_000);
});
