import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AttachLoadBalancerTargetGroupsCommand,
  AutoScalingClient,
  UpdateAutoScalingGroupCommand,
} from "@aws-sdk/client-auto-scaling";
import { EC2Client } from "@aws-sdk/client-ec2";
import { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBalancer } from "../../src/aws/balancer.ts";
import { bundleKeys } from "../../src/aws/bundle.ts";
import { type AwsAccess, createAwsClient } from "../../src/aws/client.ts";
import { createFleets } from "../../src/aws/fleets.ts";
import { createRegistry } from "../../src/aws/registry.ts";
import { userData } from "../../src/aws/user-data.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import type { Balancer } from "../../src/ports/balancer.ts";
import type { Fleets } from "../../src/ports/fleets.ts";
import { emptyAccount, testPrefix } from "../support/aws/account.ts";
import { type BundleArchive, nodeArchive, packageArchive } from "../support/aws/bundle.ts";
import { makeFleetResources } from "../support/aws/fleet-resources.ts";
import { makeLoadBalancer } from "../support/aws/load-balancer.ts";
import { startLoadBalancers } from "../support/aws/load-balancers.ts";
import { type Machines, startMachines } from "../support/aws/machines.ts";
import { makeRegistryTable } from "../support/aws/registry-table.ts";

const patience = { timeout: 30_000, interval: 50 };
const clock = createSystemClock();
const architecture = process.arch === "arm64" ? "arm64" : "x64";

/** A server program that says who it is. */
const program = `
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
const machine = JSON.parse(readFileSync(process.argv[process.argv.indexOf("--machine") + 1], "utf8"));
const service = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT + "/latest/";
const headers = { "x-aws-ec2-metadata-token-ttl-seconds": "60" };
const token = await (await fetch(service + "api/token", { method: "PUT", headers })).text();
const read = async (path) =>
  (await fetch(service + "meta-data/" + path, { headers: { "x-aws-ec2-metadata-token": token } })).text();
const [address, instance] = [await read("local-ipv4"), await read("tags/instance/rowhouse:instance")];
const { pid, env } = process;
const answer = JSON.stringify({ pid, instance, address, machine, state: env.STATE_DIRECTORY, mode: env.NODE_ENV });
createServer((request, response) => response.end(answer)).listen(8080, address);
process.once("SIGTERM", () => {
  console.log("ended in order");
  process.exit(0);
});
`;

describe.skipIf(process.env.ROWHOUSE_AWS_REAL === "1")("a machine of a fleet", { timeout: 120_000 }, () => {
  const prefix = testPrefix();
  let access: AwsAccess;
  let workFolder: string;
  let machines: Machines;
  let fleets: Fleets;
  let balancer: Balancer;
  let url: string;
  let node: BundleArchive;
  let app: BundleArchive;
  let autoScalingGroup: string;
  let targetGroupArn: string;
  const disposals: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    access = await emptyAccount();
    workFolder = await mkdtemp(join(tmpdir(), "rowhouse-machines-"));
    disposals.push(() => rm(workFolder, { recursive: true }));
    [node, app] = await Promise.all([
      nodeArchive(),
      packageArchive({ "package.json": '{"type":"module"}', "dist/programs/aws/app.js": program }),
    ]);
    const software = {
      node: { version: "26.0.0", sha256: { [architecture]: node.sha256 } },
      rowhouse: { version: "1.0.0", sha256: app.sha256 },
    };
    const { resources, ...network } = await makeFleetResources({
      ...{ access, prefix },
      userData: userData({ program: "app", region: access.region, prefix, bucket: prefix, software }),
    });
    const { loadBalancer, ...alb } = await makeLoadBalancer(access, { prefix, drainSeconds: 5 });
    autoScalingGroup = resources.groups.app.autoScalingGroup;
    targetGroupArn = loadBalancer.targetGroupArn;
    const table = await makeRegistryTable(access, prefix);
    const plane = await startLoadBalancers({ access });
    url = await plane.url(loadBalancer.dnsName);
    const environment = { AWS_ENDPOINT_URL: plane.endpoint };
    machines = await startMachines({ access, workFolder, environment });
    const through = { ...access, endpoint: plane.endpoint };
    fleets = createFleets({
      ec2: createAwsClient(EC2Client, through),
      autoScaling: createAwsClient(AutoScalingClient, through),
      ...{ resources, clock },
    });
    balancer = createBalancer({
      client: createAwsClient(ElasticLoadBalancingV2Client, through),
      ...{ registry: createRegistry(table), loadBalancer, clock },
    });
    await createAwsClient(S3Client, access, { forcePathStyle: true }).send(
      new CreateBucketCommand({
        Bucket: prefix,
        CreateBucketConfiguration: { LocationConstraint: "eu-west-1" },
      }),
    );
    disposals.push(
      ...[() => machines.stop(), () => plane.stop(), table.dispose, alb.dispose, network.dispose],
    );
  });
  afterAll(async () => {
    for (const dispose of disposals.reverse()) await dispose();
  });

  async function put(Key: string, Body: Buffer): Promise<void> {
    const client = createAwsClient(S3Client, access, { forcePathStyle: true });
    await client.send(new PutObjectCommand({ Bucket: prefix, Key, Body }));
  }

  const find = (id: string) => machines.list().find(({ instanceId }) => instanceId === id);
  const logOf = async (id: string) => readFile(find(id)?.logFile ?? "", "utf8").catch(() => "");
  async function ask(): Promise<{ readonly pid: number; readonly [key: string]: unknown }> {
    const response = await fetch(`${url}/`);
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as { pid: number };
  }

  it("tries to install until the bundle is there, and then serves through the load balancer", async () => {
    await fleets.launch({ fleet: "app", zone: "b", instanceId: "i-one" });
    await expect.poll(() => logOf("i-one"), patience).toMatch(/fatal error: s3:.*rowhouse\/node-v26/);
    await put(bundleKeys.node("26.0.0", architecture), node.body);
    await put(bundleKeys.rowhouse("1.0.0"), app.body);

    const [{ address = "" } = {}] = await fleets.list("app");
    await balancer.register({ id: "i-one", address, zone: "b" });
    await expect.poll(async () => (await balancer.targets())[0]?.state, patience).toBe("healthy");
    expect(await ask()).toMatchObject({
      pid: find("i-one")!.pid,
      instance: "i-one",
      address: address.replace(":8080", ""),
      machine: { region: "eu-west-1", prefix, bucket: prefix, program: "app" },
      state: join(find("i-one")!.root, "var/lib/rowhouse"),
      mode: "production",
    });
  });

  it("is started again when its program is killed", async () => {
    const { pid, starts } = find("i-one")!;
    process.kill(pid!, "SIGKILL");
    await expect.poll(() => find("i-one")?.starts, patience).toBe(starts + 1);
    await expect.poll(async () => (await ask()).pid, patience).toBe(find("i-one")?.pid);
    expect(find("i-one")?.pid).not.toBe(pid);
  });

  it("ends in order when it is terminated", async () => {
    const { pid, logFile } = find("i-one")!;
    await balancer.deregister("i-one", { drainSeconds: 2 });
    await fleets.terminate("i-one");
    await expect.poll(() => find("i-one"), patience).toBeUndefined();
    await expect.poll(() => isRunning(pid!), patience).toBe(false);
    expect(await readFile(logFile, "utf8")).toContain("ended in order");
    await expect(ask()).rejects.toThrow("503");
  });

  // As the control plane and the controllers are launched.
  it("may also be launched by its group, which registers it by itself", async () => {
    const autoScaling = createAwsClient(AutoScalingClient, access);
    const group = { AutoScalingGroupName: autoScalingGroup };
    await autoScaling.send(
      new AttachLoadBalancerTargetGroupsCommand({ ...group, TargetGroupARNs: [targetGroupArn] }),
    );
    await autoScaling.send(new UpdateAutoScalingGroupCommand({ ...group, DesiredCapacity: 1 }));
    await expect.poll(() => ask().catch(String), patience).toMatchObject({ pid: expect.any(Number) });
    expect((await ask()).pid).toBe(machines.list()[0]?.pid);
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
