import { Cluster } from "ioredis";
import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import { type CacheScripts, cacheScripts } from "./scripts.ts";

export interface CacheClusterOptions {
  /** `host:port` of the configuration endpoint. All nodes are learned from it. */
  readonly endpoint: string;
  /** Encryption in transit; `ca` where the certificates are not of a public authority. */
  readonly tls?: { readonly ca?: string };
  readonly clock: Clock;
}

export type CacheClient = Cluster & CacheScripts;

/** How long one command may take; a healthy node answers within a millisecond. */
const commandMilliseconds = 500;

/** How long an operation begins anew after what a failover, a moving slot or a lost connection brings. */
const patienceMilliseconds = 1_000;
const firstPauseMilliseconds = 10;
const longestPauseMilliseconds = 100;

/** For so long a tenant's cache counts as away once it was; then one operation tries whether it is back. */
const awayMilliseconds = 1_000;

/** Every instance asks one node for the slots this often, so that it follows a failover that it was not told of. */
const discoveryMilliseconds = 2_000;

/**
 * The cluster with bounded patience. The client's own repetitions are switched off but for redirections: it would send
 * a write again whose caller has long been told that it failed, over what was written since.
 */
export class CacheCluster {
  readonly client: CacheClient;
  readonly #clock: Clock;
  /** When each tenant whose cache did not answer may be tried again, in the clock's elapsed milliseconds. */
  readonly #awayUntil = new Map<string, number>();

  constructor(options: CacheClusterOptions) {
    this.#clock = options.clock;
    this.client = connect(options);
    // What breaks comes to whoever sent a command; without a listener it would be printed too.
    this.client.on("error", () => {});
  }

  /**
   * Runs an operation of one tenant until it succeeds, for about a second. Once that was in vain, the tenant's
   * operations fail at once for a second, except those that `insist`: a dead cache must not slow every request down.
   * @throws E_AWS_UNAVAILABLE
   */
  async run<T>(
    tenant: string,
    operation: (client: CacheClient) => Promise<T>,
    options: { readonly insist?: boolean } = {},
  ): Promise<T> {
    if (!options.insist) this.#admit(tenant);
    const deadline = this.#clock.elapsedMilliseconds() + patienceMilliseconds;
    for (let pause = firstPauseMilliseconds; ; pause = Math.min(longestPauseMilliseconds, pause * 2)) {
      try {
        const result = await operation(this.client);
        this.#awayUntil.delete(tenant);
        return result;
      } catch (error) {
        const now = this.#clock.elapsedMilliseconds();
        // Who refuses is not away.
        if (!isPassing(error)) throw this.#unavailable(error);
        if (now + pause > deadline) {
          this.#awayUntil.set(tenant, now + awayMilliseconds);
          throw this.#unavailable(error);
        }
        await this.#clock.sleep(pause);
      }
    }
  }

  async close(): Promise<void> {
    await this.client.quit().catch(() => this.client.disconnect());
  }

  #admit(tenant: string): void {
    const until = this.#awayUntil.get(tenant);
    if (until === undefined) return;
    const now = this.#clock.elapsedMilliseconds();
    if (now < until) throw fault("E_AWS_UNAVAILABLE", "The cache did not answer a moment ago.");
    // Whoever comes next does not wait with the one that tries.
    this.#awayUntil.set(tenant, now + awayMilliseconds);
  }

  #unavailable(error: unknown): Error {
    const isConnected = this.client.status === "ready";
    const reason = isConnected && error instanceof Error ? error.message : "no node can be reached";
    return fault("E_AWS_UNAVAILABLE", `The cache did not answer: ${reason.replace(/[.\s]*$/, "")}.`, {
      cause: error,
    });
  }
}

function connect({ endpoint, tls }: CacheClusterOptions): CacheClient {
  const colon = endpoint.lastIndexOf(":");
  const startupNode = { host: endpoint.slice(0, colon), port: Number(endpoint.slice(colon + 1)) };
  return new Cluster([startupNode], {
    // Names stay names: certificates are for them, and the configuration endpoint's addresses change.
    dnsLookup: (address, callback) => callback(null, address),
    clusterRetryStrategy: (attempt) => Math.min(50 * attempt, 1_000),
    // Replicas lag behind.
    scaleReads: "master",
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    slotsRefreshInterval: discoveryMilliseconds,
    slotsRefreshTimeout: commandMilliseconds,
    scripts: cacheScripts,
    redisOptions: {
      commandTimeout: commandMilliseconds,
      // Shorter than a command's time: none waits for a connection beyond it, and is sent after all.
      connectTimeout: commandMilliseconds - 100,
      // A machine that is gone closes nothing.
      socketTimeout: 2 * commandMilliseconds,
      ...(tls && { tls: { ...tls } }),
    },
  }) as CacheClient;
}

/** Replies of a cluster that changes, or of a node that is not the primary yet or any more. */
const passingReplies =
  /^(MOVED|ASK|TRYAGAIN|CLUSTERDOWN|LOADING|READONLY|MASTERDOWN|NOREPLICAS|NOMASTERLINK)\b/;

/** Connections that break, time-outs and a cluster that changes pass; any other reply is the same the next time. */
function isPassing(error: unknown): boolean {
  return !(error instanceof Error && error.name === "ReplyError") || passingReplies.test(error.message);
}
