import { createServer, type IncomingMessage, type ServerResponse, request as send } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { DescribeInstancesCommand, EC2Client } from "@aws-sdk/client-ec2";
import {
  DescribeTargetGroupAttributesCommand,
  DescribeTargetHealthCommand,
  ElasticLoadBalancingV2Client,
  paginateDescribeLoadBalancers,
  paginateDescribeTargetGroups,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import type { AwsAccess } from "../../../src/aws/client.ts";
import { type GroupTarget, startTargetGroup, type TargetGroup } from "./target-group.ts";

export interface LoadBalancers {
  /**
   * The emulator's address with true health: it passes every call on, of any service, and answers `DescribeTargetHealth`
   * by what the health checks of the data plane find. In the emulator itself every target is healthy at once.
   */
  readonly endpoint: string;
  /** How often each call passed by since then, as in `RDS.CreateDBInstance`; S3 and Route 53 by their method alone. */
  countCalls(): () => ReadonlyMap<string, number>;
  /** Where the load balancer of this DNS name listens on this machine. */
  url(dnsName: string): Promise<string>;
  stop(): Promise<void>;
}

/** What is registered at the emulator without passing by here is seen after so long. */
const pollMilliseconds = 250;

/** A working data plane for all load balancers of an account in the emulator: every target group gets a listener. */
export async function startLoadBalancers(options: {
  readonly access: AwsAccess;
  /** Default: that of the access. */
  readonly regions?: readonly string[];
}): Promise<LoadBalancers> {
  const { access, regions = [access.region] } = options;
  if (access.endpoint === undefined) throw new Error("A real account's load balancers need no help.");
  const plane = new DataPlane(regions.map((region) => ({ ...access, region })));
  await plane.sync();
  const timer = setInterval(() => void plane.sync().catch(() => {}), pollMilliseconds);
  const upstream = new URL(access.endpoint);
  const calls: string[] = [];
  const server = createServer((request, response) => {
    answer(request, response, { upstream, plane, calls }).catch((error: unknown) =>
      response.destroy(error as Error),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    countCalls: () => {
      const seen = calls.length;
      return () =>
        new Map([...Map.groupBy(calls.slice(seen), (call) => call)].map(([call, all]) => [call, all.length]));
    },
    url: (dnsName) => plane.url(dnsName),
    stop: async () => {
      clearInterval(timer);
      await new Promise((resolve) => server.close(resolve).closeAllConnections());
      await plane.stop();
    },
  };
}

interface RegionClients {
  readonly balancing: ElasticLoadBalancingV2Client;
  readonly ec2: EC2Client;
}

/** Follows the emulator's target groups. */
class DataPlane {
  readonly #clients: readonly RegionClients[];
  readonly #groups = new Map<string, TargetGroup>();
  #syncing: Promise<void> = Promise.resolve();

  constructor(accesses: readonly AwsAccess[]) {
    this.#clients = accesses.map((access) => ({
      balancing: new ElasticLoadBalancingV2Client(access),
      ec2: new EC2Client(access),
    }));
  }

  /** Brings the data plane to what is registered now; one after the other. */
  sync(): Promise<void> {
    const synced = this.#syncing.then(async () => {
      for (const clients of this.#clients) await this.#syncRegion(clients);
    });
    this.#syncing = synced.catch(() => {});
    return synced;
  }

  health(targetGroupArn: string): ReturnType<TargetGroup["health"]> | undefined {
    return this.#groups.get(targetGroupArn)?.health();
  }

  async url(dnsName: string): Promise<string> {
    await this.sync();
    for (const { balancing: client } of this.#clients) {
      for await (const { LoadBalancers } of paginateDescribeLoadBalancers({ client }, {})) {
        const found = LoadBalancers?.find(({ DNSName }) => DNSName === dnsName);
        if (!found) continue;
        const query = { LoadBalancerArn: found.LoadBalancerArn! };
        for await (const { TargetGroups } of paginateDescribeTargetGroups({ client }, query)) {
          const group = this.#groups.get(TargetGroups?.[0]?.TargetGroupArn ?? "");
          if (group) return group.url;
        }
      }
    }
    throw new Error(`No load balancer with a target group has the name ${dnsName}.`);
  }

  async stop(): Promise<void> {
    await this.#syncing;
    for (const group of this.#groups.values()) await group.stop();
    for (const { balancing, ec2 } of this.#clients) {
      balancing.destroy();
      ec2.destroy();
    }
  }

  async #syncRegion({ balancing: client, ec2 }: RegionClients): Promise<void> {
    for await (const { TargetGroups = [] } of paginateDescribeTargetGroups({ client }, {})) {
      for (const { TargetGroupArn = "", HealthCheckPath = "/" } of TargetGroups) {
        const group =
          this.#groups.get(TargetGroupArn) ?? (await startTargetGroup({ healthCheckPath: HealthCheckPath }));
        this.#groups.set(TargetGroupArn, group);
        const { TargetHealthDescriptions = [] } = await client.send(
          new DescribeTargetHealthCommand({ TargetGroupArn }),
        );
        const targets = await Promise.all(
          TargetHealthDescriptions.map(({ Target }) => locate(ec2, Target?.Id ?? "", Target?.Port ?? 0)),
        );
        await group.follow(targets, () => drainSeconds(client, TargetGroupArn));
      }
    }
  }
}

/** A group's target is an address, or a machine that has one. */
async function locate(ec2: EC2Client, Id: string, Port: number): Promise<GroupTarget> {
  if (!Id.startsWith("i-")) return { Id, Port, host: Id };
  const { Reservations } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: [Id] }));
  return { Id, Port, host: Reservations?.[0]?.Instances?.[0]?.PrivateIpAddress ?? "" };
}

async function drainSeconds(client: ElasticLoadBalancingV2Client, TargetGroupArn: string): Promise<number> {
  const { Attributes } = await client.send(new DescribeTargetGroupAttributesCommand({ TargetGroupArn }));
  return Number(Attributes?.find(({ Key }) => Key === "deregistration_delay.timeout_seconds")?.Value ?? 300);
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { upstream, plane, calls }: { readonly upstream: URL; readonly plane: DataPlane; readonly calls: string[] },
): Promise<void> {
  if (!request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded")) {
    calls.push(nameOf(request));
    request.pipe(passOn(request, response, upstream));
    return;
  }
  const body = await buffer(request);
  const call = new URLSearchParams(body.toString());
  calls.push(`${serviceOf(request)}.${call.get("Action")}`);
  if (call.get("Action") === "DescribeTargetHealth") {
    await plane.sync();
    const health = plane.health(call.get("TargetGroupArn") ?? "");
    if (health) {
      response.writeHead(200, { "content-type": "text/xml" }).end(targetHealthDocument(health, call));
      return;
    }
  }
  passOn(request, response, upstream).end(body);
}

/** JSON services name the call in a header; the others are told by method and service. */
function nameOf(request: IncomingMessage): string {
  const target = String(request.headers["x-amz-target"] ?? request.method);
  return `${serviceOf(request)}.${target.slice(target.lastIndexOf(".") + 1)}`;
}

/** By the signature's scope: key/date/region/service/aws4_request. */
function serviceOf(request: IncomingMessage): string {
  return (
    /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(request.headers.authorization ?? "")?.[1] ?? "unknown"
  );
}

function passOn(request: IncomingMessage, response: ServerResponse, { hostname, port }: URL) {
  const { method, url: path, rawHeaders } = request;
  const options = { hostname, port, method, path, headers: rawHeaders, agent: false as const };
  const passed = send(options, (answered) => {
    response.writeHead(answered.statusCode ?? 502, answered.rawHeaders);
    answered.pipe(response);
  });
  passed.on("error", () => response.destroy());
  response.on("close", () => passed.destroy());
  return passed;
}

function targetHealthDocument(health: ReturnType<TargetGroup["health"]>, call: URLSearchParams): string {
  const asked = askedFor(call);
  const members = (asked.length > 0 ? asked : [...health.keys()]).map((name) => {
    const [id, port] = name.split(":");
    const { state, reason } = health.get(name) ?? { state: "unused", reason: "Target is not registered" };
    const code = health.has(name) ? "" : "<Reason>Target.NotRegistered</Reason>";
    const description =
      reason === undefined ? "" : `<Description>${reason.replaceAll("<", "&lt;")}</Description>`;
    return `<member><Target><Id>${id}</Id><Port>${port}</Port></Target>
      <TargetHealth><State>${state}</State>${code}${description}</TargetHealth></member>`;
  });
  return `<DescribeTargetHealthResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
    <DescribeTargetHealthResult><TargetHealthDescriptions>${members.join("")}</TargetHealthDescriptions>
    </DescribeTargetHealthResult></DescribeTargetHealthResponse>`;
}

/** The targets that the call names, each as `Id:Port`. */
function askedFor(call: URLSearchParams): string[] {
  return [...call.keys()]
    .filter((key) => /^Targets\.member\.\d+\.Id$/.test(key))
    .map((key) => `${call.get(key)}:${call.get(key.replace(/Id$/, "Port"))}`);
}
