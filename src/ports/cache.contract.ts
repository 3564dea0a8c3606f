import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cache } from "./cache.ts";

/** What every cache must do. Each test has tenants of its own, so an engine that others use too will do. */
export function cacheContract(
  name: string,
  make: () => Promise<{ readonly cache: Cache; dispose(): Promise<void> }>,
): void {
  describe(`${name}: cache`, () => {
    const minute = { ttlSeconds: 60 };
    const newTenant = () => `t-${randomUUID()}`;
    let cache: Cache;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ cache, dispose } = await make());
    });
    afterAll(() => dispose());

    test.each([
      ["text", "plain", "value"],
      ["nothing", "empty", ""],
      ["other scripts, quotes and zero characters", 'Größe 🏠 \0 "x" \\', '\0 🏠 "quoted" \\ \r\n'],
      ["keys with marks that mean something to engines", "{a}:b*?[c]%_ \n", "x"],
      ["the longest key", "k".repeat(512), "x"],
      ["the largest value", "large", "v".repeat(1_000_000)],
    ])("keeps %s", async (_, key, value) => {
      const entry = { tenant: newTenant(), key };
      await cache.set(entry, value, minute);
      expect(await cache.get(entry)).toBe(value);
    });

    test("has nothing under a key that was not set, or was deleted", async () => {
      const entry = { tenant: newTenant(), key: "k" };
      expect(await cache.get(entry)).toBeUndefined();
      await cache.set(entry, "1", minute);
      await cache.delete(entry);
      await cache.delete(entry);
      expect(await cache.get(entry)).toBeUndefined();
    });

    test("replaces a value and its time to live", async () => {
      const entry = { tenant: newTenant(), key: "k" };
      await cache.set(entry, "1", { ttlSeconds: 0.05 });
      await cache.set(entry, "2", minute);
      const reference = { tenant: entry.tenant, key: "reference" };
      await cache.set(reference, "x", { ttlSeconds: 0.05 });
      await expect.poll(() => cache.get(reference)).toBeUndefined();
      expect(await cache.get(entry)).toBe("2");
    });

    test("forgets an entry when its time is over", async () => {
      const entry = { tenant: newTenant(), key: "k" };
      await cache.set(entry, "1", { ttlSeconds: 0.2 });
      await expect.poll(() => cache.get(entry)).toBeUndefined();
    });

    test("keeps tenants apart, even where tenant and key read alike when joined", async () => {
      const tenant = newTenant();
      const entries = [
        { tenant, key: "b:c" },
        { tenant: `${tenant}-b`, key: "c" },
        { tenant: newTenant(), key: "b:c" },
      ];
      for (const [n, entry] of entries.entries()) await cache.set(entry, String(n), minute);
      expect(await Promise.all(entries.map((entry) => cache.get(entry)))).toEqual(["0", "1", "2"]);
      await cache.delete(entries[0]!);
      expect(await Promise.all(entries.map((entry) => cache.get(entry)))).toEqual([undefined, "1", "2"]);
    });

    test("clears one tenant and no other", async () => {
      const tenant = newTenant();
      const neighbour = `${tenant}-2`;
      const keys = Array.from({ length: 300 }, (_, n) => `k${n}`);
      await Promise.all(keys.map((key) => cache.set({ tenant, key }, "1", minute)));
      await cache.set({ tenant: neighbour, key: "k0" }, "1", minute);
      await cache.clear(tenant);
      expect(await Promise.all(keys.map((key) => cache.get({ tenant, key })))).toEqual(
        keys.map(() => undefined),
      );
      expect(await cache.get({ tenant: neighbour, key: "k0" })).toBe("1");
      await cache.clear(newTenant());
    });

    test("lets one of many set what is absent, and it is that one's value", async () => {
      const entry = { tenant: newTenant(), key: "k" };
      const attempts = Array.from({ length: 30 }, (_, n) => String(n));
      const won = await Promise.all(attempts.map((value) => cache.setIfAbsent(entry, value, minute)));
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await cache.get(entry)).toBe(attempts[won.indexOf(true)]);
      expect(await cache.setIfAbsent(entry, "later", minute)).toBe(false);
    });

    test("lets one of many take over an entry that has expired", async () => {
      const entry = { tenant: newTenant(), key: "k" };
      await cache.set(entry, "old", { ttlSeconds: 0.05 });
      await expect.poll(() => cache.get(entry)).toBeUndefined();
      const won = await Promise.all(
        Array.from({ length: 30 }, (_, n) => cache.setIfAbsent(entry, `new ${n}`, minute)),
      );
      expect(won.filter(Boolean)).toHaveLength(1);
      expect(await cache.get(entry)).toBe(`new ${won.indexOf(true)}`);
    });

    test.each([
      ["an empty key", { key: "" }],
      ["a key that is too long", { key: "k".repeat(513) }],
      ["a key that is too long in bytes", { key: "ü".repeat(257) }],
      ["half a character as key", { key: "\ud800" }],
      ["no tenant", { tenant: "" }],
      ["a tenant that is no slug", { tenant: "{a}" }],
      ["a value that is too large", { value: "v".repeat(1_000_001) }],
      ["half a character as value", { value: "\udc00" }],
      ["no time to live", { ttlSeconds: 0 }],
      ["a negative time to live", { ttlSeconds: -1 }],
      ["a time to live that is no number", { ttlSeconds: Number.NaN }],
      ["an endless time to live", { ttlSeconds: Number.POSITIVE_INFINITY }],
    ])(
      "refuses %s",
      async (_, change: { tenant?: string; key?: string; value?: string; ttlSeconds?: number }) => {
        const { tenant, key, value, ttlSeconds } = {
          tenant: "t",
          key: "k",
          value: "v",
          ttlSeconds: 60,
          ...change,
        };
        const refused = expect.objectContaining({ code: "E_ARGUMENT" });
        await expect(cache.set({ tenant, key }, value, { ttlSeconds })).rejects.toEqual(refused);
        await expect(cache.setIfAbsent({ tenant, key }, value, { ttlSeconds })).rejects.toEqual(refused);
        if (change.key !== undefined) await expect(cache.get({ tenant, key })).rejects.toEqual(refused);
        if (change.tenant !== undefined) await expect(cache.clear(tenant)).rejects.toEqual(refused);
      },
    );
  });
}
