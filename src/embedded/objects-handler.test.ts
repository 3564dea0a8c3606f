import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { createObjects, createObjectsHandler, type FileObjects } from "./objects.ts";

const signingKey = new Uint8Array(32).fill(7);
const clock = createFakeClock(new Date("2026-01-02T03:04:05.600Z"));
let folder: string;
let objects: FileObjects;
let server: Server;
let origin: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rowhouse-objects-handler-"));
  objects = await createObjects({ folder, signingKey, clock });
  const handle = createObjectsHandler({ objects, signingKey, clock });
  server = createServer(async (incoming, response) => {
    if (!(await handle(incoming, response, incoming.url ?? ""))) response.writeHead(418).end("not mine");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await objects.put({
    key: "tenants/acme/notes.txt",
    body: Buffer.from("0123456789"),
    contentType: "text/plain",
  });
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await objects.close();
  await rm(folder, { recursive: true });
});

const linkTo = (key: string, expiresInSeconds = 600) => objects.url(key, { expiresInSeconds });

async function ask(link: string, init: RequestInit = {}) {
  const response = await fetch(origin + link, init);
  return { status: response.status, headers: response.headers, body: await response.text() };
}

test("a link lies below one path of the host and shows the key", async () => {
  expect(await linkTo("tenants/acme/a b.txt", 60)).toMatch(
    /^\/_rowhouse\/objects\/tenants\/acme\/a%20b\.txt\?expires=1767323105&signature=[A-Za-z0-9_-]{43}$/,
  );
  const absolute = await createObjects({ folder, signingKey, clock, baseUrl: "https://acme.example.com" });
  expect(await absolute.url("k", { expiresInSeconds: 60 })).toMatch(
    /^https:\/\/acme\.example\.com\/_rowhouse\/objects\/k\?/,
  );
  await absolute.close();
});

test("other paths are left to others", async () => {
  for (const path of ["/", "/_rowhouse/health", "/_rowhouse/objects", "/x/_rowhouse/objects/k"]) {
    expect((await ask(path)).body).toBe("not mine");
  }
});

test("the whole object comes with what a browser needs to keep it, and to run nothing in it", async () => {
  const { status, headers, body } = await ask(await linkTo("tenants/acme/notes.txt"));
  expect([status, body]).toEqual([200, "0123456789"]);
  expect(Object.fromEntries(headers)).toMatchObject({
    "content-type": "text/plain",
    "content-length": "10",
    "content-disposition": "inline; filename=\"notes.txt\"; filename*=UTF-8''notes.txt",
    "cache-control": "private, max-age=600",
    "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
    "accept-ranges": "bytes",
    "x-content-type-options": "nosniff",
    "content-security-policy": expect.stringContaining("sandbox"),
  });
});

test.each([
  ["text/html", "attachment"],
  ["image/svg+xml", "attachment"],
  ["application/xhtml+xml", "attachment"],
  ["text/javascript", "attachment"],
  ["application/octet-stream", "attachment"],
  ["text/plain; charset=utf-8", "inline"],
  ["image/png", "inline"],
  ["image/pngx", "attachment"],
  ["video/mp4", "inline"],
])("%s is shown as %s", async (contentType, expected) => {
  const key = `types/${contentType.replace(/\W/g, "-")}`;
  await objects.put({ key, body: Buffer.from("<script>"), contentType });
  const { headers } = await ask(await linkTo(key));
  expect(headers.get("content-disposition")).toMatch(new RegExp(`^${expected};`));
});

test("a file's name can't break out of its header", async () => {
  const key = `names/"; x=y; é'%41`;
  await objects.put({ key, body: Buffer.from("x") });
  const { headers } = await ask(await linkTo(key));
  expect(headers.get("content-disposition")).toBe(
    `attachment; filename="_; x=y; _'_41"; filename*=UTF-8''%22%3B%20x%3Dy%3B%20%C3%A9%27%2541`,
  );
});

describe("ranges", () => {
  test.each([
    ["bytes=2-4", 206, "234", "bytes 2-4/10"],
    ["bytes=7-", 206, "789", "bytes 7-9/10"],
    ["bytes=7-100", 206, "789", "bytes 7-9/10"],
    ["bytes=-3", 206, "789", "bytes 7-9/10"],
    ["bytes=-100", 206, "0123456789", "bytes 0-9/10"],
    ["bytes=10-", 416, "The file is shorter than that.\n", "bytes */10"],
    ["bytes=-0", 416, "The file is shorter than that.\n", "bytes */10"],
    ["bytes=4-2", 200, "0123456789", null],
    ["bytes=-", 200, "0123456789", null],
    ["bytes=0-1,4-5", 200, "0123456789", null],
    ["lines=0-1", 200, "0123456789", null],
  ])("%s", async (range, status, body, contentRange) => {
    const answer = await ask(await linkTo("tenants/acme/notes.txt"), { headers: { range } });
    expect([answer.status, answer.body, answer.headers.get("content-range")]).toEqual([
      status,
      body,
      contentRange,
    ]);
    expect(answer.headers.get("content-length")).toBe(String(body.length));
  });

  test("of an object that changed since are not mixed with the old part", async () => {
    const link = await linkTo("tenants/acme/notes.txt");
    const { etag } = (await objects.head("tenants/acme/notes.txt"))!;
    const range = "bytes=0-1";
    expect((await ask(link, { headers: { range, "if-range": etag } })).status).toBe(206);
    expect((await ask(link, { headers: { range, "if-range": '"other"' } })).status).toBe(200);
  });

  test("don't exist in an empty object", async () => {
    await objects.put({ key: "empty", body: new Uint8Array() });
    expect((await ask(await linkTo("empty"), { headers: { range: "bytes=0-" } })).status).toBe(416);
    expect((await ask(await linkTo("empty"))).headers.get("content-length")).toBe("0");
  });
});

describe("what the reader already has", () => {
  test.each([
    [(etag: string) => ({ "if-none-match": etag }), 304],
    [(etag: string) => ({ "if-none-match": `"x", W/${etag}` }), 304],
    [() => ({ "if-none-match": "*" }), 304],
    [() => ({ "if-none-match": '"x"' }), 200],
    [() => ({ "if-modified-since": "Fri, 02 Jan 2026 03:04:05 GMT" }), 304],
    [() => ({ "if-modified-since": "Fri, 02 Jan 2026 03:04:04 GMT" }), 200],
    [() => ({ "if-modified-since": "yesterday" }), 200],
    [() => ({ "if-none-match": '"x"', "if-modified-since": "Fri, 02 Jan 2026 03:04:05 GMT" }), 200],
  ])("%s", async (headers: (etag: string) => Record<string, string>, status) => {
    const { etag } = (await objects.head("tenants/acme/notes.txt"))!;
    const answer = await ask(await linkTo("tenants/acme/notes.txt"), { headers: headers(etag) });
    expect([answer.status, answer.body]).toEqual([status, status === 304 ? "" : "0123456789"]);
  });
});

test("HEAD says the length and sends nothing; other methods are refused", async () => {
  const link = await linkTo("tenants/acme/notes.txt");
  const head = await ask(link, { method: "HEAD" });
  expect([head.status, head.body, head.headers.get("content-length")]).toEqual([200, "", "10"]);
  const post = await ask(link, { method: "POST" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
});

test("a link ends when its time is over, and says no more than that", async () => {
  const link = await linkTo("tenants/acme/notes.txt", 60);
  await clock.advance(59_000);
  expect((await ask(link)).status).toBe(200);
  await clock.advance(1_000);
  const late = await ask(link);
  expect([late.status, late.headers.get("cache-control")]).toEqual([403, "no-store"]);
});

test.each([
  ["a later end", (link: string) => link.replace(/expires=\d+/, "expires=9999999999")],
  ["no signature", (link: string) => link.replace(/&signature=.*/, "")],
  ["half a signature", (link: string) => link.slice(0, -20)],
  ["another key", (link: string) => link.replace("acme", "evil")],
  ["a key that can't be decoded", (link: string) => link.replace("acme", "%ff")],
  ["a way up", (link: string) => link.replace("acme", "%2e%2e/acme")],
  ["no end", (link: string) => link.replace(/expires=\d+&/, "")],
])("a link with %s is refused", async (_, change) => {
  const changed = change(await linkTo("tenants/acme/notes.txt"));
  expect((await ask(changed)).status).toBe(403);
});

test("a link of another region's key is refused", async () => {
  const other = await createObjects({ folder, signingKey: "other", clock });
  expect((await ask(await other.url("tenants/acme/notes.txt", { expiresInSeconds: 60 }))).status).toBe(403);
  await other.close();
});

test("a reader who leaves half-way does no harm", async () => {
  await objects.put({ key: "large", body: Buffer.alloc(20_000_000) });
  const link = await linkTo("large");
  await new Promise<void>((resolve, reject) => {
    const outgoing = request(origin + link, (response) => {
      response.once("data", () => {
        response.destroy();
        resolve();
      });
    });
    outgoing.once("error", reject);
    outgoing.end();
  });
  expect((await ask(await linkTo("tenants/acme/notes.txt"))).status).toBe(200);
});
