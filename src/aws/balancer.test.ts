import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import {
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  RegisterTargetsCommand,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { makeLoadBalancer } from "../../test/support/aws/load-balancer.ts";
import { startLoadBalancers } from "../../test/support/aws/load-balancers.ts";
import { makeRegistryTable } from "../../test/support/aws/registry-table.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { createSystemClock } from "../node/clock.ts";
import { balancerContract } from "../ports/balancer.contract.ts";
import type { Balancer } from "../ports/balancer.ts";
import type { Registry } from "../ports/registry.ts";
import { createBalancer } from "./balancer.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { readMachine } from "./machine.ts";
import { createRegistry } from "./registry.ts";

const isReal = process.env.ROWHOUSE_AWS_REAL === "1";
const clock = createSystemClock();
/** Longer than the cases hold a request of a target that drains, shorter than anybody wants to wait for a stuck one. */
const drainSeconds = 4;

balancerContract(
  "AWS",
  async () => {
    const access = await emptyAccount();
    const prefix = testPrefix();
    const { loadBalancer, dispose } = await makeLoadBalancer(access, { prefix, drainSeconds });
    const table = await makeRegistryTable(access, prefix);
    const registry = createRegistry(table);
    const parts = { registry, loadBalancer, clock };
    if (isReal) {
      const client = createAwsClient(ElasticLoadBalancingV2Client, access);
      const { address } = await readMachine({ clock });
      return {
        balancer: createBalancer({ ...parts, client, url: `http://${loadBalancer.dnsName}` }),
        nextHost: () => address,
        dispose: async () => void (await Promise.all([dispose(), table.dispose()])),
      };
    }
    const plane = await startLoadBalancers({ access });
    const client = createAwsClient(ElasticLoadBalancingV2Client, { ...access, endpoint: plane.endpoint });
    let host = 0;
    return {
      balancer: createBalancer({ ...parts, client, url: await plane.url(loadBalancer.dnsName) }),
      // The emulator knows a target by its address alone, whatever its port.
      nextHost: () => `127.99.0.${++host}`,
      dispose: async () => {
        await plane.stop();
        await Promise.all([dispose(), table.dispose()]);
      },
    };
  },
  { settleMilliseconds: isReal ? 120_000 : 15_000 },
);

describe.skipIf(isReal)("the emulator's target groups", () => {
  let access: AwsAccess;
  let made: Awaited<ReturnType<typeof makeLoadBalancer>>;
  let table: Awaited<ReturnType<typeof makeRegistryTable>>;
  let registry: Registry;
  let client: ElasticLoadBalancingV2Client;
  let balancer: Balancer;

  beforeAll(async () => {
    access = await emptyAccount();
    const prefix = testPrefix();
    made = await makeLoadBalancer(access, { prefix, drainSeconds });
    table = await makeRegistryTable(access, prefix);
    registry = createRegistry(table);
    client = createAwsClient(ElasticLoadBalancingV2Client, access);
    balancer = createBalancer({ client, registry, loadBalancer: made.loadBalancer, clock });
  });
  afterAll(async () => {
    await made.dispose();
    await table.dispose();
  });

  const TargetGroupArn = () => made.loadBalancer.targetGroupArn;
  async function registered(): Promise<string[]> {
    const { TargetHealthDescriptions } = await client.send(
      new DescribeTargetHealthCommand({ TargetGroupArn: TargetGroupArn() }),
    );
    return TargetHealthDescriptions!.map(({ Target }) => `${Target?.Id}:${Target?.Port}`);
  }

  // Why the contract has a data plane of its own above: without it nothing would be checked or drained.
  it("find every target healthy at once, and let none drain", async () => {
    await balancer.register({ id: "i-1", address: "10.0.0.1:1", zone: "a" });
    expect(await balancer.targets()).toMatchObject([{ id: "i-1", state: "healthy" }]);
    await balancer.deregister("i-1", { drainSeconds: 600 });
    expect(await balancer.targets()).toEqual([]);
  });

  it("hold one target for each address, whatever its port", async () => {
    const Targets = [1, 2].map((Port) => ({ Id: "10.0.0.2", Port }));
    await client.send(new RegisterTargetsCommand({ TargetGroupArn: TargetGroupArn(), Targets }));
    expect(await registered()).toEqual(["10.0.0.2:2"]);
  });

  it("lose what nobody wrote down, as a crash in the middle of a replacement leaves it", async () => {
    const Targets = [{ Id: "10.0.0.3", Port: 8080 }];
    await client.send(new RegisterTargetsCommand({ TargetGroupArn: TargetGroupArn(), Targets }));
    await balancer.register({ id: "i-kept", address: "10.0.0.4:8080", zone: "a" });
    expect((await balancer.targets()).map(({ id }) => id)).toEqual(["i-kept"]);
    expect(await registered()).toEqual(["10.0.0.4:8080"]);
    await balancer.deregister("i-kept");
  });

  it("do not show what was written down and never registered: it has to be registered again", async () => {
    await registry.put("balancer-targets", "i-crashed", { address: "10.0.0.5:8080", zone: "b" });
    expect(await balancer.targets()).toEqual([]);
    await balancer.deregister("i-crashed");
    expect(await registry.query("balancer-targets")).toEqual([]);
  });

  it("know the load balancer by its DNS name", async () => {
    const { dnsName } = made.loadBalancer;
    expect(await balancer.describe()).toEqual({ url: `https://${dnsName}`, address: dnsName });
  });

  it.each(["nowhere", "10.0.0.1", "10.0.0.1:port", "[::1]:8080"])(
    "refuse the address %s",
    async (address) => {
      await expect(balancer.register({ id: "i-2", address, zone: "a" })).rejects.toMatchObject({
        code: "E_ARGUMENT",
      });
    },
  );
});

/** Elastic Load Balancing as it answers in ways that the emulator can't be brought to. */
describe.skipIf(isReal)("a target that Elastic Load Balancing", () => {
  const servers: ReturnType<typeof createServer>[] = [];
  let table: Awaited<ReturnType<typeof makeRegistryTable>>;
  beforeAll(async () => {
    table = await makeRegistryTable(await emptyAccount(), testPrefix());
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    await table.dispose();
  });

  /** A balancer with the target `i-1` whose health is described so. */
  async function described(health: () => string) {
    const server = createServer(async (request, response) => {
      const action = new URLSearchParams(await text(request)).get("Action");
      const member = `<member><Target><Id>10.0.0.1</Id><Port>8080</Port></Target>${health()}</member>`;
      const answer = action === "DescribeTargetHealth" ? member : "";
      response.writeHead(200, { "content-type": "text/xml" }).end(
        `<${action}Response><${action}Result><TargetHealthDescriptions>${answer}</TargetHealthDescriptions>
        </${action}Result></${action}Response>`,
      );
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const client = createAwsClient(ElasticLoadBalancingV2Client, {
      region: "eu-west-1",
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    });
    const fake = createFakeClock();
    const balancer = createBalancer({
      ...{ client, registry: createRegistry(table), clock: fake },
      loadBalancer: { dnsName: "lb", targetGroupArn: "arn" },
    });
    await balancer.register({ id: "i-1", address: "10.0.0.1:8080", zone: "a" });
    return { balancer, clock: fake };
  }

  const state = (State: string, Reason = "", Description = "") =>
    `<TargetHealth><State>${State}</State>${Reason && `<Reason>${Reason}</Reason>`}${
      Description && `<Description>${Description}</Description>`
    }</TargetHealth>`;

  it.each([
    ["registers", state("initial", "Elb.RegistrationInProgress", "In progress"), "initial", "In progress"],
    [
      "can't reach",
      state("unhealthy", "Target.Timeout", "Request timed out"),
      "unhealthy",
      "Request timed out",
    ],
    ["has in no zone", state("unused", "Target.NotInUse"), "unhealthy", "Target.NotInUse"],
    ["lets drain", state("draining", "Target.DeregistrationInProgress", "Draining"), "draining", "Draining"],
    ["lets drain unwell", state("unhealthy.draining", "Target.Timeout"), "draining", "Target.Timeout"],
    [
      "finds anomalous",
      `${state("healthy")}<AnomalyDetection><Result>anomalous</Result></AnomalyDetection>`,
      "healthy",
      "Fails or is slow more often than the others.",
    ],
  ])("%s is shown as it is", async (_, health, expected, reason) => {
    const { balancer } = await described(() => health);
    expect(await balancer.targets()).toEqual([
      { id: "i-1", address: "10.0.0.1:8080", zone: "a", state: expected, reason },
    ]);
  });

  it("calls draining for the whole delay is gone when the caller's time is over", async () => {
    let draining = false;
    const { balancer, clock: fake } = await described(() =>
      draining ? state("draining", "Target.DeregistrationInProgress") : state("healthy"),
    );
    draining = true;
    const deregistered = balancer.deregister("i-1", { drainSeconds: 10 });
    for (let second = 0; second < 10; second++) {
      await fake.untilSleeping();
      expect(await balancer.targets()).toMatchObject([{ state: "draining" }]);
      await fake.advance(1000);
    }
    await deregistered;
    expect(fake.elapsedMilliseconds()).toBe(10_000);
    expect(await balancer.targets()).toEqual([]);
  });

  it("was given another address meanwhile keeps it", async () => {
    let draining = true;
    const { balancer, clock: fake } = await described(() =>
      draining
        ? state("draining", "Target.DeregistrationInProgress")
        : state("unused", "Target.NotRegistered"),
    );
    const deregistered = balancer.deregister("i-1", { drainSeconds: 10 });
    await fake.untilSleeping();
    await balancer.register({ id: "i-1", address: "10.0.0.7:8080", zone: "a" });
    draining = false;
    await fake.advance(1000);
    await deregistered;
    expect((await createRegistry(table).get("balancer-targets", "i-1"))?.attributes).toMatchObject({
      address: "10.0.0.7:8080",
    });
  });
});
