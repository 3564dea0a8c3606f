import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestRegion, type TestRegion } from "../../../test/support/region.ts";
import { readTenantMessage } from "../../core/tenant/message.ts";
import { createTenantRuntime, type TenantRuntime } from "../runtime.ts";
import type { Tenant } from "../tenant.ts";
import { createTenantCache } from "./cache.ts";
import { senderAddress } from "./mail.ts";

let region: TestRegion;
let runtime: TenantRuntime;
let acme: Tenant;
let beta: Tenant;
const lines: string[] = [];

beforeAll(async () => {
  region = await createTestRegion();
  await region.addTenant({ slug: "acme" });
  await region.addTenant({ slug: "beta" });
  runtime = await createTenantRuntime({
    platform: region.platform,
    regionPool: region.control.pool,
    regionConnection: region.connection,
    config: region.config,
    identity: { instanceId: "i-1", zone: "a", region: "eu-west-1", release: "r1" },
    logSink: (line) => lines.push(line),
  });
  acme = await runtime.resolve("acme");
  beta = await runtime.resolve("beta");
});

afterAll(async () => {
  await runtime?.stop();
  await region?.dispose();
});

describe("files", () => {
  it("are the tenant's own, and named without the prefix", async () => {
    await acme.files.put("covers/1.txt", "first", { contentType: "text/x-cover" });
    await acme.files.put("covers/2.txt", Buffer.from("second"));
    await beta.files.put("covers/1.txt", "another");
    const found = await acme.files.get("covers/1.txt");
    expect(found?.info).toMatchObject({ key: "covers/1.txt", size: 5, contentType: "text/x-cover" });
    expect(await text(found!.body)).toBe("first");
    const first = await acme.files.list({ prefix: "covers/", limit: 1 });
    expect(first).toMatchObject({ files: [{ key: "covers/1.txt" }], next: "covers/1.txt" });
    expect((await acme.files.list({ after: first.next! })).files.map(({ key }) => key)).toEqual([
      "covers/2.txt",
    ]);
    await acme.files.delete("covers/1.txt");
    expect(await acme.files.get("covers/1.txt")).toBeUndefined();
    expect(await beta.files.get("covers/1.txt")).toBeDefined();
  });

  it.each(["../beta/files/covers/1.txt", "/etc/passwd", "a/../../x", ""])(
    "can't leave their prefix by %j",
    async (key) => {
      const refusal = { code: "E_OBJECT_KEY" };
      await expect(acme.files.get(key)).rejects.toMatchObject(refusal);
      await expect(acme.files.put(key, "x")).rejects.toMatchObject(refusal);
      await expect(acme.files.delete(key)).rejects.toMatchObject(refusal);
      await expect(acme.files.url(key)).rejects.toMatchObject(refusal);
      if (key !== "") await expect(acme.files.list({ prefix: key })).rejects.toMatchObject(refusal);
    },
  );
});

describe("the cache", () => {
  it("holds values of any shape, for one tenant", async () => {
    await acme.cache.set("k", { a: [1, null] });
    expect(await acme.cache.get("k")).toEqual({ a: [1, null] });
    expect(await beta.cache.get("k")).toBeUndefined();
    await acme.cache.delete("k");
    expect(await acme.cache.get("k")).toBeUndefined();
    await acme.cache.set("x".repeat(2_000), 1);
    expect(await acme.cache.get("x".repeat(2_000))).toBe(1);
  });

  it("loads once, however many ask, in one process and over several", async () => {
    const { cache, clock, random } = region.platform;
    const instances = [1, 2, 3].map(() =>
      createTenantCache({ cache, clock, random, slug: "acme", loads: new Map() }),
    );
    let loads = 0;
    const gate = Promise.withResolvers<void>();
    const load = async () => {
      loads++;
      await gate.promise;
      return { loads };
    };
    const asked = Array.from({ length: 30 }, (_, i) => instances[i % 3]!.remember("once", 60, load));
    await expect.poll(() => loads).toBe(1);
    gate.resolve();
    expect(new Set((await Promise.all(asked)).map((value) => JSON.stringify(value)))).toEqual(
      new Set(['{"loads":1}']),
    );
    expect(await beta.cache.remember("once", 60, () => "beta's")).toBe("beta's");
  });

  it("lets the next one load when a loader throws", async () => {
    let loads = 0;
    const load = () => {
      loads++;
      if (loads === 1) throw new Error("on purpose");
      return "loaded";
    };
    await expect(acme.cache.remember("throws", 60, load)).rejects.toThrow("on purpose");
    expect(await acme.cache.remember("throws", 60, load)).toBe("loaded");
  });

  it("does not wait for ever for a loader whose process died", async () => {
    const dead = { tenant: "acme", key: "l:dead" };
    await region.platform.cache.set(dead, "a process that is no more", { ttlSeconds: 0.2 });
    expect(await acme.cache.remember("dead", 60, () => "loaded")).toBe("loaded");
  });

  it("does without a cache that is away", async () => {
    const away = () => Promise.reject(new Error("away"));
    const cache = { get: away, set: away, setIfAbsent: away, delete: away, clear: away, close: away };
    const { clock, random } = region.platform;
    const alone = createTenantCache({ cache, clock, random, slug: "acme", loads: new Map() });
    expect(await alone.remember("k", 60, () => "loaded")).toBe("loaded");
    expect(await alone.get("k")).toBeUndefined();
    // What was there before may still be: who writes must know that it was not replaced.
    await expect(alone.set("k", 1)).rejects.toThrow("away");
    await expect(alone.delete("k")).rejects.toThrow("away");
  });

  it("refuses a key that is none, instead of never finding it", async () => {
    await expect(acme.cache.get("\ud800")).rejects.toMatchObject({ code: "E_ARGUMENT" });
    await expect(acme.cache.remember("\ud800", 60, () => 1)).rejects.toMatchObject({ code: "E_ARGUMENT" });
  });

  it("refuses a time to live that is none", () => {
    expect(() => acme.cache.remember("k", 0, () => 1)).toThrow(
      expect.objectContaining({ code: "E_ARGUMENT" }),
    );
  });
});

describe("mail", () => {
  it("comes from the tenant's own address, and once for each key", async () => {
    const message = { to: "reader@example.com", subject: "Hello", text: "Hi", idempotencyKey: "welcome" };
    const first = await acme.mail.send(message);
    expect((await acme.mail.send(message)).id).toBe(first.id);
    await beta.mail.send(message);
    const outbox = await region.platform.mail.outbox({ tenant: "acme" });
    expect(outbox).toHaveLength(1);
    expect(outbox[0]).toMatchObject({
      from: '"The acme company" <acme@bookshop.example>',
      to: "reader@example.com",
    });
    expect(await region.platform.mail.outbox({ tenant: "beta" })).toHaveLength(1);
  });

  it("can't be made to come from elsewhere by the tenant's name", () => {
    expect(senderAddress('A" <evil@x.test>\r\nBcc: all@x.test', "a@b.c")).toBe(
      '"A\\" <evil@x.test> Bcc: all@x.test" <a@b.c>',
    );
  });
});

describe("the queue", () => {
  it("marks each message with its tenant", async () => {
    await acme.queue.send({ recommend: 7 }, { delaySeconds: 5 });
    const sent = region.sent.at(-1)!;
    expect(sent).toMatchObject({ queue: "jobs", delaySeconds: 5 });
    expect(readTenantMessage(sent.body)).toEqual({ tenant: "acme", body: { recommend: 7 } });
    expect(readTenantMessage("no json")).toBeUndefined();
    expect(readTenantMessage('{"body":1}')).toBeUndefined();
    await expect(acme.queue.send("x".repeat(300_000))).rejects.toMatchObject({ code: "E_ARGUMENT" });
  });
});

describe("the log", () => {
  it("is one JSON object a line, whatever it is given", () => {
    acme.log.warn("careful", { count: 2n, error: Object.assign(new Error("broken"), { code: "E_X" }) });
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    acme.log.info("round", circular);
    const [first, second] = lines.splice(-2).map((line) => JSON.parse(line));
    expect(first).toMatchObject({
      level: "warn",
      tenant: "acme",
      instance: "i-1",
      message: "careful",
      fields: { count: "2", error: { message: "broken", code: "E_X" } },
    });
    expect(second).toMatchObject({ message: "round", fields: { unreadable: ["self"] } });
  });
});

it("has a URL for an ORM, with the tenant's own login", () => {
  const url = new URL(acme.databaseUrl);
  expect(url).toMatchObject({
    protocol: "postgresql:",
    hostname: region.control.host,
    port: String(region.control.port),
  });
  expect(url.username).toMatch(/^t_.*_app$/);
});
