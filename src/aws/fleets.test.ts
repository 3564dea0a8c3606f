import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import {
  AutoScalingClient,
  DescribeAutoScalingGroupsCommand,
  UpdateAutoScalingGroupCommand,
} from "@aws-sdk/client-auto-scaling";
import { DescribeInstancesCommand, EC2Client, type Instance } from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { type FleetResources, makeFleetResources } from "../../test/support/aws/fleet-resources.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { fleetsContract } from "../ports/fleets.contract.ts";
import type { Fleets } from "../ports/fleets.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createFleets } from "./fleets.ts";
import { awsTags } from "./resources.ts";

const isReal = process.env.ROWHOUSE_AWS_REAL === "1";
/** EC2 itself takes a minute to start a machine, and some more to end one. */
const patience = { timeout: isReal ? 300_000 : 10_000, interval: isReal ? 2000 : 20 };

fleetsContract(
  "AWS",
  async () => {
    const access = await emptyAccount();
    const { resources, dispose } = await makeFleetResources({ access, prefix: testPrefix() });
    const ec2 = createAwsClient(EC2Client, access);
    const autoScaling = createAwsClient(AutoScalingClient, access);
    const fleets = createFleets({ ec2, autoScaling, resources, clock: createFakeClock() });
    return { fleets, zones: ["a", "b"], prepare: async () => {}, dispose };
  },
  { settleMilliseconds: patience.timeout },
);

describe("fleets on EC2", { timeout: 3 * patience.timeout }, () => {
  let access: AwsAccess;
  let made: FleetResources;
  let ec2: EC2Client;
  let autoScaling: AutoScalingClient;
  const clock = createFakeClock();
  const warnings: string[] = [];

  const create = () =>
    createFleets({
      ec2,
      autoScaling,
      resources: made.resources,
      clock,
      log: ({ message }) => warnings.push(message),
    });
  const groupName = () => made.resources.groups.app.autoScalingGroup;

  beforeAll(async () => {
    access = await emptyAccount();
    made = await makeFleetResources({ access, prefix: testPrefix(), userData: "#cloud-config\n{}\n" });
    ec2 = createAwsClient(EC2Client, access);
    autoScaling = createAwsClient(AutoScalingClient, access);
  });
  afterAll(() => made.dispose(), 3 * patience.timeout);

  async function group() {
    const { AutoScalingGroups } = await autoScaling.send(
      new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [groupName()] }),
    );
    const [found] = AutoScalingGroups!;
    return { desired: found!.DesiredCapacity, ids: found!.Instances!.map(({ InstanceId }) => InstanceId) };
  }

  async function machineOf(instanceId: string): Promise<Instance> {
    const { Reservations } = await ec2.send(
      new DescribeInstancesCommand({ Filters: [{ Name: `tag:${awsTags.instance}`, Values: [instanceId] }] }),
    );
    return Reservations![0]!.Instances![0]!;
  }

  async function launchRunning(fleets: Fleets, instanceId: string): Promise<string> {
    await fleets.launch({ fleet: "app", zone: "a", instanceId });
    await expect
      .poll(async () => (await fleets.list("app")).find(({ id }) => id === instanceId)?.state, patience)
      .toBe("running");
    return (await machineOf(instanceId)).InstanceId!;
  }

  it("launches from the template, tagged, in the zone's subnet, reached at its private address", async () => {
    const fleets = create();
    await launchRunning(fleets, "i-tagged");
    const machine = await machineOf("i-tagged");
    expect(Object.fromEntries(machine.Tags!.map(({ Key, Value }) => [Key, Value]))).toMatchObject({
      "rowhouse:prefix": made.resources.prefix,
      "rowhouse:fleet": "app",
      "rowhouse:instance": "i-tagged",
      Name: `${made.resources.prefix}-app-i-tagged`,
    });
    expect(machine.SubnetId).toBe(made.resources.privateSubnets.a);
    const listed = (await fleets.list()).find(({ id }) => id === "i-tagged");
    expect(listed?.address).toBe(`${machine.PrivateIpAddress}:8080`);
  });

  it("brings what runs into the fleet's group, and takes it out before its end", async () => {
    const fleets = create();
    const id = await launchRunning(fleets, "i-member");
    await fleets.list();
    const joined = await group();
    expect(joined.ids).toContain(id);
    expect(joined.desired).toBe(joined.ids.length);
    await fleets.terminate("i-member");
    await expect.poll(async () => (await group()).ids, patience).not.toContain(id);
    expect((await group()).desired).toBe(joined.desired! - 1);
    await expect.poll(async () => (await machineOf("i-member")).State?.Name, patience).toBe("terminated");
  });

  it("goes on when the group has no room, and asks again only after a minute", async () => {
    const { ids } = await group();
    const resize = (MaxSize: number) =>
      autoScaling.send(new UpdateAutoScalingGroupCommand({ AutoScalingGroupName: groupName(), MaxSize }));
    await resize(ids.length);
    const fleets = create();
    warnings.length = 0;
    const id = await launchRunning(fleets, "i-outside");
    await fleets.list();
    expect(warnings).toEqual([expect.stringContaining(`${id} can't join ${groupName()}`)]);
    await resize(20);
    await fleets.list();
    expect((await group()).ids).not.toContain(id);
    await clock.advance(60_000);
    await fleets.list();
    await expect.poll(async () => (await group()).ids, patience).toContain(id);
  });

  it("finds after a restart what was launched before, and launches nothing again", async () => {
    await launchRunning(create(), "i-kept");
    const successor = create();
    expect(await successor.launch({ fleet: "app", zone: "a", instanceId: "i-kept" })).toMatchObject({
      id: "i-kept",
      state: "running",
    });
    expect((await successor.list()).filter(({ id }) => id === "i-kept")).toHaveLength(1);
    await successor.terminate("i-kept");
    await expect.poll(async () => (await machineOf("i-kept")).State?.Name, patience).toBe("terminated");
  });

  it("leaves alone what has another prefix, or no fleet", async () => {
    const other = createFleets({
      ...{ ec2, autoScaling, clock },
      resources: { ...made.resources, prefix: `${made.resources.prefix}-2` },
    });
    await launchRunning(create(), "i-mine");
    expect(await other.list()).toEqual([]);
    await other.terminate("i-mine");
    expect((await machineOf("i-mine")).State?.Name).toBe("running");
  });

  it("refuses a zone that the region does not have", async () => {
    await expect(create().launch({ fleet: "app", zone: "z", instanceId: "i-nowhere" })).rejects.toMatchObject(
      {
        code: "E_ARGUMENT",
      },
    );
  });
});

/** EC2 as it answers a few calls in the order given: what the emulator can't be brought to say. */
describe("fleets on an EC2 that", () => {
  const servers: ReturnType<typeof createServer>[] = [];
  afterAll(() => {
    for (const server of servers) server.close();
  });

  async function answering(
    answers: Readonly<Record<string, { readonly status: number; readonly body: string }>>,
  ) {
    const server = createServer(async (request, response) => {
      const action = new URLSearchParams(await text(request)).get("Action") ?? "";
      const { status, body } = answers[action] ?? { status: 200, body: `<${action}Response/>` };
      response.writeHead(status, { "content-type": "text/xml" }).end(body);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const access: AwsAccess = {
      region: "eu-west-1",
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    };
    const group = { launchTemplateId: "lt-1", autoScalingGroup: "group" };
    const clock = createFakeClock();
    const fleets = createFleets({
      ec2: createAwsClient(EC2Client, access),
      autoScaling: createAwsClient(AutoScalingClient, access),
      resources: {
        prefix: "shop",
        region: "eu-west-1",
        privateSubnets: { b: "subnet-1" },
        groups: { app: group, worker: group, controller: group },
      },
      clock,
    });
    return { fleets, clock };
  }

  const machine = `<instanceId>i-0a</instanceId><instanceState><name>pending</name></instanceState>
    <privateIpAddress>10.0.0.9</privateIpAddress><placement><availabilityZone>eu-west-1b</availabilityZone></placement>
    <instanceLifecycle>spot</instanceLifecycle><launchTime>2026-01-01T00:00:00.000Z</launchTime>`;
  const launched = {
    status: 200,
    body: `<RunInstancesResponse><instancesSet><item>${machine}</item></instancesSet></RunInstancesResponse>`,
  };

  it("is sold out says in which zone", async () => {
    const sold = `<Response><Errors><Error><Code>InsufficientInstanceCapacity</Code>
      <Message>We currently do not have sufficient capacity</Message></Error></Errors></Response>`;
    const { fleets } = await answering({ RunInstances: { status: 400, body: sold } });
    await expect(fleets.launch({ fleet: "app", zone: "b", instanceId: "i-1" })).rejects.toMatchObject({
      code: "E_AWS_CAPACITY",
      reason: expect.stringContaining("in zone b of eu-west-1"),
    });
  });

  it("does not show a new machine yet: it is listed from memory, terminated, and forgotten in the end", async () => {
    const { fleets, clock } = await answering({ RunInstances: launched });
    const instance = await fleets.launch({ fleet: "worker", zone: "b", instanceId: "i-1" });
    expect(instance).toEqual({
      id: "i-1",
      fleet: "worker",
      zone: "b",
      state: "pending",
      address: "10.0.0.9:8080",
      market: "spot",
      launchedAt: new Date("2026-01-01T00:00:00.000Z"),
    });
    expect(await fleets.list()).toEqual([instance]);
    expect(await fleets.list("app")).toEqual([]);
    await clock.advance(5 * 60_000);
    expect(await fleets.list()).toEqual([]);
    await fleets.launch({ fleet: "worker", zone: "b", instanceId: "i-1" });
    await fleets.terminate("i-1");
    expect(await fleets.list()).toEqual([]);
  });

  it("lost a machine between two looks is no error", async () => {
    const gone = `<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code>
      <Message>The instance ID 'i-0a' does not exist</Message></Error></Errors></Response>`;
    const { fleets } = await answering({
      RunInstances: launched,
      TerminateInstances: { status: 400, body: gone },
    });
    await fleets.launch({ fleet: "worker", zone: "b", instanceId: "i-1" });
    await fleets.terminate("i-1");
  });
});
