import { execFileSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CacheEndpoint, startCacheEndpoint } from "./cache-endpoint.ts";
import { type CacheNode, type CacheNodeTls, startCacheNode } from "./cache-node.ts";
import { createTestAuthority } from "./test-authority.ts";

export type { CacheNode };

const slotCount = 16_384;
const primaryCount = 3;
const formMilliseconds = 30_000;

/** A real cluster of Redis processes, as ElastiCache runs it: primaries that share the slots, each with a replica. */
export interface CacheCluster {
  /** `host:port` that leads to any node that is up, as a configuration endpoint's name does. */
  readonly endpoint: string;
  /** Those that are up. */
  nodes(): readonly CacheNode[];
  /** Starts a node and makes it known to all others: an empty primary, or the replica of one. */
  join(options?: { readonly replicaOf?: CacheNode }): Promise<CacheNode>;
  /** The slot of the tenant's entries. */
  slotOf(tenant: string): Promise<number>;
  /** The primary that serves the slot, as most nodes see it. */
  primaryOf(slot: number): Promise<CacheNode>;
  /** The primary's replicas that are connected. */
  replicasOf(primary: CacheNode): Promise<readonly CacheNode[]>;
  /** Begins to move a slot: from now on its keys lie on both nodes. */
  openSlot(slot: number, target: CacheNode): Promise<SlotMove>;
  /** Moves a slot with all its keys, as resharding does. */
  moveSlot(slot: number, target: CacheNode): Promise<void>;
  stop(): Promise<void>;
}

/** A slot on its way. */
export interface SlotMove {
  moveKeys(keys: readonly string[]): Promise<void>;
  /** Moves the keys that are left, and gives the slot to the target. */
  finish(): Promise<void>;
}

/** Why no cache cluster can be started on this machine. @throws where CI is set: there it must be there */
export function whyWithoutCacheCluster(): string | undefined {
  try {
    execFileSync("redis-server", ["--version"], { stdio: "ignore" });
    return undefined;
  } catch {
    const reason = "redis-server 7 is not installed";
    if (process.env.CI) throw new Error(`The tests of the cache must run in CI, and ${reason}.`);
    process.stderr.write(`Skipped: the tests of the cache cluster, because ${reason}.\n`);
    return reason;
  }
}

/**
 * Starts three primaries with a replica each, in memory alone, on free ports of 127.0.0.1. With `tls` they take
 * encrypted connections only, as `localhost`.
 */
export async function startCacheCluster(
  options: { readonly tls?: CacheNodeTls } = {},
): Promise<CacheCluster> {
  const nodes = await Promise.all(
    Array.from({ length: 2 * primaryCount }, () => startCacheNode(options.tls)),
  );
  const endpoint = await startCacheEndpoint(() => nodes.map((node) => node.port));
  const cluster = new RedisCluster(nodes, endpoint, options.tls);
  try {
    await cluster.form();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

/** Certificates for {@link startCacheCluster}, kept in `folder`. */
export async function createCacheTls(folder: string): Promise<CacheNodeTls> {
  const authority = await createTestAuthority(folder);
  const { certificate, key } = await authority.issue("localhost");
  const [certificateFile, keyFile] = [join(folder, "node.pem"), join(folder, "node.key")];
  await Promise.all([writeFile(certificateFile, certificate), writeFile(keyFile, key)]);
  return { authority: authority.pem, authorityFile: authority.file, certificateFile, keyFile };
}

class RedisCluster implements CacheCluster {
  readonly #nodes: CacheNode[];
  readonly #endpoint: CacheEndpoint;
  readonly #tls: CacheNodeTls | undefined;
  #isStopped = false;

  constructor(nodes: CacheNode[], endpoint: CacheEndpoint, tls: CacheNodeTls | undefined) {
    this.#nodes = nodes;
    this.#endpoint = endpoint;
    this.#tls = tls;
  }

  get endpoint(): string {
    return this.#tls ? this.#endpoint.address.replace("127.0.0.1", "localhost") : this.#endpoint.address;
  }

  nodes(): readonly CacheNode[] {
    return this.#nodes.filter((node) => node.isUp());
  }

  async form(): Promise<void> {
    const primaries = this.#nodes.slice(0, primaryCount);
    await Promise.all(
      primaries.map(async (node, index) => {
        const first = Math.ceil((index * slotCount) / primaryCount);
        const last = Math.ceil(((index + 1) * slotCount) / primaryCount) - 1;
        await node.call("CLUSTER", "ADDSLOTSRANGE", first, last);
        await node.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      }),
    );
    await this.#meet();
    await Promise.all(
      this.#nodes.slice(primaryCount).map((node, index) => this.#follow(node, primaries[index]!)),
    );
    await this.#untilSettled();
  }

  async join(options: { readonly replicaOf?: CacheNode } = {}): Promise<CacheNode> {
    const node = await startCacheNode(this.#tls);
    this.#nodes.push(node);
    if (this.#isStopped) {
      // The test ran out of time meanwhile.
      await node.stop();
      throw new Error("The cluster was stopped");
    }
    await this.#meet();
    if (options.replicaOf) await this.#follow(node, options.replicaOf);
    await this.#untilSettled();
    return node;
  }

  slotOf(tenant: string): Promise<number> {
    return this.nodes()[0]!.call<number>("CLUSTER", "KEYSLOT", `{${tenant}}`);
  }

  async primaryOf(slot: number): Promise<CacheNode> {
    const votes = await Promise.all(this.nodes().map((node) => ownerOf(node, slot)));
    const ports = votes.filter((port) => port !== undefined);
    const port = ports.toSorted((a, b) => count(ports, b) - count(ports, a))[0];
    const primary = this.nodes().find((node) => node.port === port);
    if (!primary) throw new Error(`No node that is up serves slot ${slot}`);
    return primary;
  }

  async replicasOf(primary: CacheNode): Promise<readonly CacheNode[]> {
    const info = await primary.call<string>("INFO", "replication");
    return this.nodes().filter((node) => info.includes(`port=${node.port},state=online`));
  }

  async openSlot(slot: number, target: CacheNode): Promise<SlotMove> {
    const source = await this.primaryOf(slot);
    await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id);
    await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id);
    const moveKeys = async (keys: readonly string[]) => {
      await source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", ...keys);
    };
    return {
      moveKeys,
      finish: async () => {
        for (;;) {
          const keys = await source.call<string[]>("CLUSTER", "GETKEYSINSLOT", slot, 100);
          if (keys.length === 0) break;
          await moveKeys(keys);
        }
        for (const node of [target, source]) await node.call("CLUSTER", "SETSLOT", slot, "NODE", target.id);
      },
    };
  }

  async moveSlot(slot: number, target: CacheNode): Promise<void> {
    await (await this.openSlot(slot, target)).finish();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#endpoint.stop(), ...this.#nodes.map((node) => node.stop())]);
  }

  /** Introduces every node to the first, whose gossip does the rest. */
  async #meet(): Promise<void> {
    const [first, ...others] = this.nodes();
    for (const node of others)
      await node.call("CLUSTER", "MEET", "127.0.0.1", first!.port, first!.port + 10_000);
    const all = this.nodes();
    await until("all nodes know each other", async () => {
      const known = await Promise.all(all.map((node) => node.call<string>("CLUSTER", "NODES")));
      return known.every(
        (text) => all.every((node) => text.includes(node.id)) && !text.includes("handshake"),
      );
    });
  }

  async #follow(node: CacheNode, primary: CacheNode): Promise<void> {
    await node.call("CLUSTER", "REPLICATE", primary.id);
    await until("a replica is connected", async () =>
      (await node.call<string>("INFO", "replication")).includes("master_link_status:up"),
    );
  }

  async #untilSettled(): Promise<void> {
    await until("the cluster is up", async () => {
      const states = await Promise.all(this.nodes().map((node) => node.call<string>("CLUSTER", "INFO")));
      return states.every((text) => text.includes("cluster_state:ok"));
    });
  }
}

function count(ports: readonly number[], port: number): number {
  return ports.filter((other) => other === port).length;
}

async function ownerOf(node: CacheNode, slot: number): Promise<number | undefined> {
  type Range = readonly [first: number, last: number, primary: readonly [host: string, port: number]];
  const ranges = await node.call<Range[]>("CLUSTER", "SLOTS").catch(() => []);
  return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][1];
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + formMilliseconds; !(await isSo()); await sleep(20 + randomInt(20))) {
    if (Date.now() > deadline) throw new Error(`Waited in vain until ${what}`);
  }
}
