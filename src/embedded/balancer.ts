import { setTimeout as sleep } from "node:timers/promises";
import { fault, fromErrorJson } from "../core/error.ts";
import type { Balancer, BalancerTargetHealth } from "../ports/balancer.ts";
import { adminPath } from "./balancer/admin.ts";
import { type ProcessRecord, type ProcessTable, programFile } from "./processes.ts";
import { loopbackOf } from "./settings.ts";
import type { StateFolder } from "./state-folder.ts";

/** The port's engine in one process, and the process that it watches over. */
export interface EmbeddedBalancer extends Balancer {
  /** Starts the process or takes over the one that runs, and starts it again whenever it ends. @throws E_PORT_IN_USE */
  start(): Promise<void>;
  /** From now on the process is left alone; it goes on serving. */
  stopWatching(): Promise<void>;
}

export interface EmbeddedBalancerOptions {
  readonly folder: StateFolder;
  readonly region: string;
  /** What the process listens on, as the settings in the state folder say. */
  readonly host: string;
  readonly port: number;
  readonly processes: ProcessTable;
  readonly internalToken: string;
  readonly log: (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;
}

/** A process that just started, or is being started again, is waited for so long. */
const patienceMilliseconds = 10_000;
const retryMilliseconds = 20;
const drainPollMilliseconds = 50;
/** One that ends sooner, and again, has a reason that starting it at once won't mend. */
const shortLifeMilliseconds = 2000;
const longestPauseMilliseconds = 5000;

/** The region's balancer: talks to its process, which works on without whoever called this. */
export function createBalancer(options: EmbeddedBalancerOptions): EmbeddedBalancer {
  return new BalancerProcess(options);
}

class BalancerProcess implements EmbeddedBalancer {
  readonly #options: EmbeddedBalancerOptions;
  readonly #name: string;
  readonly #url: string;
  readonly #stop = new AbortController();
  #watching: Promise<void> | undefined;

  constructor(options: EmbeddedBalancerOptions) {
    this.#options = options;
    this.#name = `${options.region}.balancer`;
    this.#url = `http://${loopbackOf(options.host)}:${options.port}`;
  }

  async start(): Promise<void> {
    const process = await this.#ensure();
    await this.#call("GET", "", process);
    this.#watching ??= this.#watch(process);
  }

  async stopWatching(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }

  async register({ id, address, zone }: { id: string; address: string; zone: string }): Promise<void> {
    await this.#call("PUT", `/${encodeURIComponent(id)}`, undefined, { address, zone });
  }

  async deregister(id: string, options: { readonly drainSeconds?: number } = {}): Promise<void> {
    const query = options.drainSeconds === undefined ? "" : `?drainSeconds=${options.drainSeconds}`;
    await this.#call("DELETE", `/${encodeURIComponent(id)}${query}`);
    while ((await this.targets()).some((target) => target.id === id && target.state === "draining")) {
      await sleep(drainPollMilliseconds);
    }
  }

  async targets(): Promise<readonly BalancerTargetHealth[]> {
    return (await this.#call("GET", "")) as readonly BalancerTargetHealth[];
  }

  async describe(): Promise<{ url: string; address: string; pid?: number }> {
    const process = await this.#options.processes.find(this.#name);
    const address = loopbackOf(this.#options.host).replace(/^\[|\]$/g, "");
    return { url: this.#url, address, ...(process ? { pid: process.pid } : {}) };
  }

  #ensure(): Promise<ProcessRecord> {
    const { folder, region, processes } = this.#options;
    return processes.ensure({
      name: this.#name,
      kind: "balancer",
      command: process.execPath,
      args: [programFile("balancer"), "--state", folder.path, "--region", region],
      labels: { region },
    });
  }

  async #watch(first: ProcessRecord): Promise<void> {
    const { processes, log } = this.#options;
    const signal = this.#stop.signal;
    let shortLives = 0;
    for (let current = first; !signal.aborted; ) {
      try {
        await processes.exited(current, signal);
        const lived = Date.now() - Date.parse(current.startedAt);
        log({
          level: "warn",
          message: `The balancer of ${this.#options.region} ended and is started again.`,
        });
        shortLives = lived < shortLifeMilliseconds ? shortLives + 1 : 0;
        await sleep(pauseMilliseconds(shortLives), undefined, { signal });
        current = await this.#ensure();
      } catch (error) {
        if (signal.aborted) return;
        log({
          level: "error",
          message: `The balancer of ${this.#options.region} can't be started: ${error}`,
        });
        await sleep(longestPauseMilliseconds, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** All orders are idempotent: they are given again while the process is being started. */
  async #call(method: string, path: string, starting?: ProcessRecord, body?: unknown): Promise<unknown> {
    const deadline = performance.now() + patienceMilliseconds;
    for (;;) {
      try {
        return await this.#order(method, path, body);
      } catch (cause) {
        if (!(cause instanceof TypeError)) throw cause;
        const dead = starting && !(await this.#options.processes.find(this.#name));
        if (dead || performance.now() > deadline) {
          const log = `${this.#options.folder.logs}/${this.#name}.log`;
          throw fault(
            "E_REGION_UNAVAILABLE",
            `The balancer of ${this.#options.region} does not run; see ${log}.`,
            { cause },
          );
        }
        await sleep(retryMilliseconds);
      }
    }
  }

  /** Throws a TypeError, as `fetch` does, when there is no connection. */
  async #order(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#url}${adminPath}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#options.internalToken}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (response.status === 204) return undefined;
    if (!/json\b/.test(response.headers.get("content-type") ?? "")) {
      throw fault("E_PORT_IN_USE", `Another program answers at ${this.#url}.`);
    }
    const document: unknown = await response.json();
    if (response.ok) return document;
    const problem = document as { code?: unknown; detail?: unknown; remedy?: unknown };
    throw fromErrorJson({ code: problem.code, message: problem.detail, remedy: problem.remedy });
  }
}

function pauseMilliseconds(shortLives: number): number {
  return shortLives < 2 ? 0 : Math.min(100 * 2 ** shortLives, longestPauseMilliseconds);
}
