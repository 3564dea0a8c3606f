import { EventEmitter, once } from "node:events";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { ask as askAt } from "../../test/support/ask.ts";
import { startTestInstance } from "../../test/support/instance.ts";
import { createTestRegion, type TestRegion } from "../../test/support/region.ts";
import { defineApp, type NodeHandler } from "./application.ts";
import { currentTenant } from "./context.ts";
import type { RunningInstance } from "./server.ts";

const slugs = ["acme", "beta", "dense-a", "dense-b", "dense-c"];
let region: TestRegion;
let instance: RunningInstance;

/** Each request waits here until it is let on. */
const gates = new Map<string, PromiseWithResolvers<void>>();

const walk: NodeHandler = async (request, response) => {
  const seen: string[] = [currentTenant().slug];
  const note = () => seen.push(currentTenant().slug);
  await gates.get(request.url ?? "")?.promise;
  note();
  await sleep(1);
  note();
  await new Promise<void>((resolve) => setImmediate(() => resolve(void note())));
  await text(Readable.from(["a", "b"]).on("data", note));
  const emitter = new EventEmitter();
  process.nextTick(() => emitter.emit("done"));
  await once(emitter, "done");
  note();
  await text(request.on("data", note));
  const { rows } = await currentTenant().db.query<{ title: string }>(
    "SELECT title FROM books WHERE id >= $1",
    [0],
  );
  seen.push(rows[0]?.title ?? "none");
  await currentTenant().db.transaction(async (client) => {
    note();
    const found = await client.query<{ title: string }>("SELECT title FROM books");
    seen.push(found.rows[0]?.title ?? "none");
  });
  await Promise.all([1, 2, 3].map(() => sleep(0).then(note)));
  note();
  response.end(JSON.stringify([...new Set(seen)]));
};

beforeAll(async () => {
  region = await createTestRegion();
  for (const slug of slugs)
    await region.addTenant({ slug, plan: slug.startsWith("dense") ? "dense" : "starter" });
  instance = await startTestInstance(region, defineApp({ name: "walk", node: walk }), {
    config: { ...region.config, connectionsPerInstance: 5 },
  });
});

afterAll(async () => {
  await instance?.stop(0);
  await region?.dispose();
});

async function ask(slug: string, path: string): Promise<unknown> {
  const { body } = await askAt(instance.address, `${slug}.localhost`, path, {
    method: "POST",
    body: `from ${slug}`,
  });
  return JSON.parse(body);
}

it("is each request's own where the first that started finishes last", async () => {
  gates.set("/first", Promise.withResolvers());
  const order: string[] = [];
  const first = ask("acme", "/first").finally(() => order.push("acme"));
  const others = slugs.slice(1).map((slug) => ask(slug, "/").finally(() => order.push(slug)));
  expect(await Promise.all(others)).toEqual(slugs.slice(1).map((slug) => [slug]));
  gates.get("/first")?.resolve();
  expect(await first).toEqual(["acme"]);
  expect(order.at(-1)).toBe("acme");
});

it("is each request's own through fifty interleaved ones", async () => {
  const requests = Array.from({ length: 50 }, (_, i) => ({
    slug: slugs[i % slugs.length] ?? "",
    path: `/${i}`,
  }));
  for (const { path } of requests) gates.set(path, Promise.withResolvers());
  const answers = requests.map(({ slug, path }) => ask(slug, path));
  // Let on from the last to the first, so that whoever came first leaves last.
  for (const { path } of requests.toReversed()) {
    gates.get(path)?.resolve();
    await sleep(0);
  }
  expect(await Promise.all(answers)).toEqual(requests.map(({ slug }) => [slug]));
  expect(() => currentTenant()).toThrow(expect.objectContaining({ code: "E_NO_TENANT" }));
});
