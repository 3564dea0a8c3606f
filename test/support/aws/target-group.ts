import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publicError } from "../../../src/core/problem.ts";
import type { HealthCheckResult } from "../../../src/embedded/balancer/health-check.ts";
import { TargetTable } from "../../../src/embedded/balancer/target-table.ts";
import { sendError } from "../../../src/embedded/proxy/answer.ts";
import { admit, Forwarder } from "../../../src/embedded/proxy/forwarder.ts";
import { Front } from "../../../src/embedded/proxy/front.ts";
import { createSystemClock, createSystemRandom } from "../../../src/node/clock.ts";
import type { BalancerTargetHealth } from "../../../src/ports/balancer.ts";

/** One target as the service names it, and its address in the account's network. */
export interface GroupTarget {
  readonly Id: string;
  readonly Port: number;
  readonly host: string;
}

/** What passes requests on to the targets of one group: a listener on this machine. */
export interface TargetGroup {
  readonly url: string;
  /** Takes up who is new, and lets who is gone drain for so long. */
  follow(targets: readonly GroupTarget[], drainSeconds: () => Promise<number>): Promise<void>;
  /** By `Id:Port`, also those that drain. */
  health(): ReadonlyMap<string, Pick<BalancerTargetHealth, "state" | "reason">>;
  stop(): Promise<void>;
}

const checkTimeoutMilliseconds = 1000;

/**
 * The emulator has no data plane: here it is, made of the embedded family's proxy. It checks faster than a real load
 * balancer, repeats requests that one would not, and ends a drain as soon as nothing runs any more.
 */
export async function startTargetGroup(options: { readonly healthCheckPath: string }): Promise<TargetGroup> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-target-group-"));
  const clock = createSystemClock();
  const table = new TargetTable({
    file: join(folder, "targets.json"),
    clock,
    check: (address) => checkHealth(`http://${address}${options.healthCheckPath}`),
    log: () => {},
  });
  const forwarder = new Forwarder({
    role: "balancer",
    internalToken: randomBytes(16).toString("hex"),
    clock,
    random: createSystemRandom(),
  });
  const front = new Front({
    clock,
    handler: (request, response, upgrade) => {
      try {
        forwarder.forward({ request, response, path: admit(request).path, upstreams: table, upgrade });
      } catch (error) {
        sendError(request, response, publicError(error));
      }
    },
  });
  await table.start();
  const port = await front.listen("127.0.0.1", 0);
  const registered = new Set<string>();
  return {
    url: `http://127.0.0.1:${port}`,
    follow: async (targets, drainSeconds) => {
      const names = new Set(targets.map(({ Id, Port }) => `${Id}:${Port}`));
      for (const { Id, Port, host } of targets) {
        await table.register({ id: `${Id}:${Port}`, address: `${loopbackOf(host)}:${Port}`, zone: "any" });
        registered.add(`${Id}:${Port}`);
      }
      for (const name of [...registered].filter((known) => !names.has(known))) {
        await table.deregister(name, await drainSeconds());
        registered.delete(name);
      }
    },
    health: () =>
      new Map(table.list().map(({ id, state, reason }) => [id, { state, ...(reason ? { reason } : {}) }])),
    stop: async () => {
      await front.close(0);
      await table.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A private address of the account stands for a loopback address of this machine. */
function loopbackOf(address: string): string {
  return address.replace(/^10\./, "127.");
}

/** What answers 200 within a second is well, as the group's matcher has it by default. */
function checkHealth(url: string): Promise<HealthCheckResult> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(checkTimeoutMilliseconds);
    const request = get(url, { agent: false, signal }, ({ statusCode }) => {
      request.destroy();
      const reason = `Health checks failed with these codes: [${statusCode}]`;
      resolve(statusCode === 200 ? { outcome: "ok", reason: "" } : { outcome: "failed", reason });
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      resolve({
        outcome: error.code === "ECONNREFUSED" ? "refused" : "failed",
        reason: "Health checks failed",
      });
    });
  });
}
