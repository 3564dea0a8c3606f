import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCacheChecker } from "../../test/support/aws/cache-checker.ts";
import {
  type CacheCluster,
  type CacheNode,
  createCacheTls,
  startCacheCluster,
  whyWithoutCacheCluster,
} from "../../test/support/aws/cache-cluster.ts";
import { startCacheEndpoint } from "../../test/support/aws/cache-endpoint.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { createSystemClock } from "../node/clock.ts";
import { cacheContract } from "../ports/cache.contract.ts";
import type { Cache } from "../ports/cache.ts";
import { createCache } from "./cache.ts";

const missing = whyWithoutCacheCluster() !== undefined;
const minute = { ttlSeconds: 60 };
const clock = createSystemClock();
const open = (endpoint: string): Cache => createCache({ endpoint, clock });

describe.skipIf(missing)("on a real cluster of six nodes", () => {
  let cluster: CacheCluster;
  beforeAll(async () => {
    cluster = await startCacheCluster();
  });
  afterAll(() => cluster?.stop());

  cacheContract("aws", async () => {
    const cache = open(cluster.endpoint);
    return { cache, dispose: () => cache.close() };
  });

  describe("of its own", () => {
    let one: Cache;
    let other: Cache;
    beforeAll(() => {
      [one, other] = [open(cluster.endpoint), open(cluster.endpoint)];
    });
    afterAll(() => Promise.all([one.close(), other.close()]));

    test("clearing holds for all instances at once, whatever they saw last", async () => {
      const entry = { tenant: "cleared", key: "k" };
      for (let round = 0; round < 20; round++) {
        await one.set(entry, "1", minute);
        expect(await other.get(entry)).toBe("1");
        await one.clear("cleared");
        expect(await other.setIfAbsent(entry, "2", minute)).toBe(true);
        expect(await one.get(entry)).toBe("2");
        await other.clear("cleared");
        await other.set(entry, "3", minute);
        expect(await one.setIfAbsent(entry, "4", minute)).toBe(false);
        await other.delete(entry);
        expect(await one.get(entry)).toBeUndefined();
      }
    });

    test("clearing frees the memory, the neighbours' apart", async () => {
      const keys = Array.from({ length: 2_500 }, (_, n) => `k${n}`);
      await Promise.all(keys.map((key) => one.set({ tenant: "freed", key }, "1", minute)));
      await one.set({ tenant: "freed-2", key: "k" }, "1", minute);
      const primary = await cluster.primaryOf(await cluster.slotOf("freed"));
      const held = () => primary.call<string[]>("KEYS", "{freed}*");
      expect(await held()).toHaveLength(2_501);
      await one.clear("freed");
      expect(await held()).toEqual(["{freed}"]);
      expect(await other.get({ tenant: "freed-2", key: "k" })).toBe("1");
    });

    test("a node without room refuses what is written and still answers who reads", async () => {
      const entry = { tenant: "full", key: "k" };
      await one.set(entry, "1", minute);
      const primary = await cluster.primaryOf(await cluster.slotOf("full"));
      await primary.call("CONFIG", "SET", "maxmemory", "1mb", "maxmemory-policy", "noeviction");
      try {
        await expect(one.set(entry, "2", minute)).rejects.toMatchObject({
          code: "E_AWS_UNAVAILABLE",
          message: expect.stringContaining("OOM"),
        });
        expect(await one.get(entry)).toBe("1");
      } finally {
        await primary.call("CONFIG", "SET", "maxmemory", "64mb", "maxmemory-policy", "volatile-lru");
      }
    });

    test("everything that it keeps has an end", async () => {
      await one.set({ tenant: "mortal", key: "k" }, "1", minute);
      const primary = await cluster.primaryOf(await cluster.slotOf("mortal"));
      const keys = await primary.call<string[]>("KEYS", "{mortal}*");
      expect(keys).toHaveLength(2);
      for (const key of keys) expect(await primary.call<number>("PTTL", key)).toBeGreaterThan(0);
    });
  });
});

describe.skipIf(missing)("while nodes come and go", () => {
  const tenants = Array.from({ length: 12 }, (_, n) => `tenant-${n}`);
  let cluster: CacheCluster;
  let caches: readonly [Cache, Cache];
  beforeAll(async () => {
    cluster = await startCacheCluster();
    caches = [open(cluster.endpoint), open(cluster.endpoint)];
  });
  afterAll(async () => {
    await Promise.all((caches ?? []).map((cache) => cache.close()));
    await cluster?.stop();
  });

  const slotOf = (tenant: string) => cluster.slotOf(tenant);
  /** Runs `fault` while entries are read and written, and until all of them work again. */
  async function check(fault: () => Promise<void>): Promise<{ failures: number }> {
    const checker = startCacheChecker(caches, tenants);
    try {
      await checker.untilAllWork();
      await fault();
      await checker.untilAllWork();
    } finally {
      await checker.stop();
    }
    expect(checker.wrong).toEqual([]);
    return { failures: checker.failures() };
  }
  const untilPrimary = (slot: number, node: CacheNode) =>
    expect
      .poll(() => cluster.primaryOf(slot).then(({ port }) => port, String), { timeout: 20_000 })
      .toBe(node.port);

  test("a node joins and slots move to it: nobody notices", async () => {
    const slots = (await Promise.all(tenants.map(slotOf))).slice(0, 8);
    const { failures } = await check(async () => {
      const node = await cluster.join();
      for (const slot of slots) await cluster.moveSlot(slot, node);
      for (const slot of slots) await untilPrimary(slot, node);
    });
    expect(failures).toBe(0);
  });

  test("everything works while a slot's keys lie on two nodes, however long that takes", async () => {
    const [one, other] = caches;
    const tenant = "between";
    const entry = (key: string) => ({ tenant, key });
    for (const key of ["moved", "left"]) await one.set(entry(key), "1", minute);
    const slot = await slotOf(tenant);
    const source = await cluster.primaryOf(slot);
    const target = await cluster.primaryOf((slot + 8_000) % 16_384);
    const move = await cluster.openSlot(slot, target);
    const keys = await source.call<string[]>("KEYS", "{between}*");
    await move.moveKeys(keys.filter((key) => key.endsWith(":moved")));
    const use = async () => {
      const isFree = (await one.get(entry("moved"))) === undefined;
      expect(await other.setIfAbsent(entry("moved"), "2", minute)).toBe(isFree);
      await one.set(entry("new"), "3", minute);
      expect(await other.get(entry("new"))).toBe("3");
      await other.set(entry("left"), "4", minute);
      expect(await one.get(entry("left"))).toBe("4");
      await one.delete(entry("left"));
      expect(await other.get(entry("left"))).toBeUndefined();
      expect(await one.setIfAbsent(entry("left"), "5", minute)).toBe(true);
      expect(await other.get(entry("never"))).toBeUndefined();
    };
    await use();
    await move.moveKeys(["{between}"]);
    await use();
    await one.clear(tenant);
    for (const key of ["moved", "left", "new"]) expect(await other.get(entry(key))).toBeUndefined();
    await use();
    await move.finish();
    await use();
  });

  test("a primary is killed and its replica takes over", async () => {
    const slot = await slotOf(tenants.at(-1)!);
    await check(async () => {
      const primary = await cluster.primaryOf(slot);
      const [replica] = await cluster.replicasOf(primary);
      await primary.kill();
      await untilPrimary(slot, replica!);
    });
  });

  test("a replica joins, and takes over when it is the last", async () => {
    const slot = await slotOf(tenants.at(-1)!);
    await check(async () => {
      const primary = await cluster.primaryOf(slot);
      const replica = await cluster.join({ replicaOf: primary });
      for (const node of await cluster.replicasOf(primary)) if (node !== replica) await node.kill();
      await primary.kill();
      await untilPrimary(slot, replica);
    });
  });

  test("a primary hangs with all its connections open, its replica takes over, and it comes back", async () => {
    const slot = await slotOf(tenants.at(-1)!);
    const replica = await cluster.join({ replicaOf: await cluster.primaryOf(slot) });
    const { failures } = await check(async () => {
      const primary = await cluster.primaryOf(slot);
      primary.freeze();
      await untilPrimary(slot, replica);
      primary.thaw();
      await expect.poll(() => cluster.replicasOf(replica), { timeout: 20_000 }).toContain(primary);
    });
    expect(failures).toBeGreaterThan(0);
  });

  test("what a promoted replica has not heard of is forgotten, not shown as it was before", async () => {
    const tenant = tenants.at(-1)!;
    const slot = await slotOf(tenant);
    const primary = await cluster.primaryOf(slot);
    const replica = await cluster.join({ replicaOf: primary });
    for (const node of await cluster.replicasOf(primary)) if (node !== replica) await node.kill();
    const [one, other] = caches;
    const entry = (key: string) => ({ tenant, key });
    for (const key of ["overwritten", "deleted", "kept"]) await one.set(entry(key), "old", minute);
    await expect.poll(() => replica.call<string[]>("KEYS", "*:kept")).toHaveLength(1);
    // From here on the replica hears nothing more.
    await primary.call("ACL", "SETUSER", "default", "-psync", "-sync", "-replconf");
    await primary.call("CLIENT", "KILL", "TYPE", "replica");
    await one.set(entry("overwritten"), "new", minute);
    await one.delete(entry("deleted"));
    await primary.kill();
    await untilPrimary(slot, replica);
    const answers = async () => {
      const keys = ["overwritten", "deleted", "kept"];
      return Promise.all(keys.map((key) => other.get(entry(key))));
    };
    await expect.poll(answers, { timeout: 20_000 }).toEqual([undefined, undefined, undefined]);
    expect(await replica.call<string[]>("KEYS", "*:overwritten")).toHaveLength(1);
    await one.set(entry("overwritten"), "newest", minute);
    expect(await other.get(entry("overwritten"))).toBe("newest");
  });
});

describe.skipIf(missing)("with encryption in transit", () => {
  test("speaks to nodes by their names, and to none whose certificate it does not trust", async () => {
    const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-cache-tls-"));
    const tls = await createCacheTls(folder);
    const cluster = await startCacheCluster({ tls });
    const trusting = createCache({ endpoint: cluster.endpoint, tls: { ca: tls.authority }, clock });
    const strict = createCache({ endpoint: cluster.endpoint, tls: {}, clock });
    try {
      for (const tenant of ["a", "b", "c", "d", "e", "f"]) {
        await trusting.set({ tenant, key: "k" }, tenant, minute);
        expect(await trusting.get({ tenant, key: "k" })).toBe(tenant);
      }
      await trusting.clear("a");
      expect(await trusting.get({ tenant: "a", key: "k" })).toBeUndefined();
      await expect(strict.get({ tenant: "b", key: "k" })).rejects.toMatchObject({
        code: "E_AWS_UNAVAILABLE",
        message: expect.stringContaining("no node can be reached"),
      });
    } finally {
      await Promise.all([trusting.close(), strict.close()]);
      await cluster.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe.skipIf(missing)("when no node can be reached", () => {
  test("operations fail within seconds, then at once, and work again as soon as there is one", async () => {
    const cluster = await startCacheCluster();
    const ports: number[] = [];
    const endpoint = await startCacheEndpoint(() => ports);
    const cache = open(endpoint.address);
    const entry = { tenant: "acme", key: "k" };
    const away = expect.objectContaining({ code: "E_AWS_UNAVAILABLE" });
    try {
      const start = performance.now();
      await expect(cache.get(entry)).rejects.toEqual(away);
      expect(performance.now() - start).toBeLessThan(5_000);
      const later = performance.now();
      for (let n = 0; n < 100; n++) await expect(cache.get(entry)).rejects.toEqual(away);
      expect(performance.now() - later).toBeLessThan(900);
      await expect(cache.delete(entry)).rejects.toEqual(away);
      await expect(cache.clear("acme")).rejects.toEqual(away);
      ports.push(...cluster.nodes().map((node) => node.port));
      const works = () => cache.set(entry, "1", minute).then(() => cache.get(entry), String);
      await expect.poll(works, { timeout: 10_000 }).toBe("1");
    } finally {
      await cache.close();
      await endpoint.stop();
      await cluster.stop();
    }
  });

  test("closing does not wait for it", async () => {
    const cache = open(`127.0.0.1:${await freePort()}`);
    await cache.close();
    await expect(cache.get({ tenant: "acme", key: "k" })).rejects.toMatchObject({
      code: "E_AWS_UNAVAILABLE",
    });
  });
});
