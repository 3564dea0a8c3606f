import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { runInProcess } from "../../test/support/node-process.ts";
import { createSystemClock } from "../node/clock.ts";
import { objectsContract } from "../ports/objects.contract.ts";
import { createObjects, createObjectsHandler, type FileObjects } from "./objects.ts";

const signingKey = "a secret of the region";
const newFolder = () => mkdtemp(join(tmpdir(), "rowhouse-objects-"));

objectsContract("embedded", async () => {
  const folder = await newFolder();
  const clock = createSystemClock();
  const objects = await createObjects({ folder, signingKey, clock });
  const handle = createObjectsHandler({ objects, signingKey, clock });
  const server = createServer((request, response) => void handle(request, response, request.url ?? ""));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    objects,
    origin: `http://127.0.0.1:${port}`,
    dispose: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await objects.close();
      await rm(folder, { recursive: true });
    },
  };
});

let folder: string;
let objects: FileObjects;
const clock = createFakeClock(new Date("2026-01-02T03:04:05Z"));
beforeEach(async () => {
  folder = await newFolder();
  objects = await createObjects({ folder, signingKey, clock });
});
afterEach(async () => {
  await objects.close();
  await rm(folder, { recursive: true });
});

const modules = {
  objectsModule: new URL("./objects.ts", import.meta.url),
  clockModule: new URL("../node/clock.ts", import.meta.url),
};
const opening = () => `
  const objects = await objectsModule.createObjects({
    folder: ${JSON.stringify(folder)}, signingKey: "x", clock: clockModule.createSystemClock() });`;

/** The files of bodies and of writes under way. */
async function filesOnDisk(): Promise<{ bodies: string[]; incoming: string[] }> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return {
    bodies: files.filter((file) => file.includes("/bodies/")),
    incoming: files.filter((file) => file.includes("/incoming/")),
  };
}

describe("several processes on one folder", () => {
  test("open it at the same time, and one of them creates an object that must be absent", async () => {
    await objects.close();
    await rm(folder, { recursive: true });
    const source = `${opening()}
      const put = (n) => objects.put({ key: "k" + n, body: Buffer.from(String(process.pid)), condition: { ifNoneMatch: "*" } });
      const won = [];
      for (let n = 0; n < 20; n++) if (await put(n).then(() => true, (e) => e.code !== "E_CONFLICT" && Promise.reject(e))) won.push(n);
      process.stdout.write(JSON.stringify(won));
      await objects.close();`;
    const won = await Promise.all([1, 2, 3, 4].map(() => runInProcess(source, modules)));
    const all = won.flatMap((list) => JSON.parse(list) as number[]);
    expect(all.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    objects = await createObjects({ folder, signingKey, clock });
  });

  test("lose no update between them", async () => {
    await objects.put({ key: "counter", body: Buffer.from("0") });
    const source = `${opening()}
      for (let done = 0; done < 15; ) {
        const { info, body } = await objects.get("counter");
        const next = Number(Buffer.concat(await body.toArray())) + 1;
        const condition = { ifMatch: info.etag };
        const put = objects.put({ key: "counter", body: Buffer.from(String(next)), condition });
        if (await put.then(() => true, (e) => e.code !== "E_CONFLICT" && Promise.reject(e))) done++;
      }
      await objects.close();`;
    await Promise.all([1, 2, 3].map(() => runInProcess(source, modules)));
    const counter = await objects.get("counter");
    expect(await text(counter!.body)).toBe("45");
    expect(await objects.versions("counter")).toHaveLength(46);
    const { bodies, incoming } = await filesOnDisk();
    expect([bodies.length, incoming]).toEqual([46, []]);
  });
});

describe("a crash", () => {
  test("in the middle of a write shows nothing, and what it leaves is swept", async () => {
    const source = `${opening()}
      async function* body() { yield Buffer.alloc(100_000); console.log("writing"); await new Promise((r) => setTimeout(r, 60_000)); }
      await objects.put({ key: "half", body: (await import("node:stream")).Readable.from(body()) });`;
    const imports = Object.entries(modules).map(([name, url]) => `import * as ${name} from "${url.href}";`);
    const child = spawn(process.execPath, ["--input-type=module", "--eval", [...imports, source].join("\n")]);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    expect(await objects.sweep()).toBe(0);
    expect((await filesOnDisk()).incoming).toHaveLength(1);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
    expect(await objects.head("half")).toBeUndefined();
    expect((await objects.list({ prefix: "" })).objects).toEqual([]);
    expect(await objects.sweep()).toBe(1);
    expect(await filesOnDisk()).toEqual({ bodies: [], incoming: [] });
  });

  test("between the body and its row, or between the row's end and the body's, leaves a body that is swept", async () => {
    const { versionId } = await objects.put({ key: "kept", body: Buffer.from("kept") });
    await mkdir(join(folder, "bodies", "ab"), { recursive: true });
    await writeFile(join(folder, "bodies", "ab", "ab00000000000000000000000000000000"), "orphan");
    expect(await objects.sweep()).toBe(1);
    expect((await filesOnDisk()).bodies).toEqual([join(folder, "bodies", versionId.slice(0, 2), versionId)]);
    expect(await text((await objects.get("kept"))!.body)).toBe("kept");
  });

  test("loses nothing that was acknowledged", async () => {
    const source = `${opening()}
      for (let n = 0; n < 30; n++) { await objects.put({ key: "k" + n, body: Buffer.from("body " + n) }); }
      process.kill(process.pid, "SIGKILL");`;
    await runInProcess(source, modules).catch(() => {});
    for (let n = 0; n < 30; n++) expect(await text((await objects.get(`k${n}`))!.body)).toBe(`body ${n}`);
  });

  test("is not assumed of a writer who has the body down and waits to write the row", async () => {
    const other = new DatabaseSync(join(folder, "index.sqlite"));
    other.exec("BEGIN IMMEDIATE");
    const put = objects.put({ key: "k", body: Buffer.from("whole") });
    await expect.poll(async () => (await filesOnDisk()).bodies.length).toBe(1);
    expect(await objects.sweep()).toBe(0);
    expect(await objects.head("k")).toBeUndefined();
    other.exec("COMMIT");
    other.close();
    await put;
    expect(await text((await objects.get("k"))!.body)).toBe("whole");
    expect((await filesOnDisk()).incoming).toEqual([]);
  });
});

test("deleting frees the disk, and a reader who has begun reads on to the end", async () => {
  const body = Buffer.alloc(3_000_000, "x");
  const { versionId } = await objects.put({ key: "k", body });
  const found = await objects.get("k");
  await objects.delete("k", { versionId });
  expect((await filesOnDisk()).bodies).toEqual([]);
  expect((await text(found!.body)).length).toBe(3_000_000);
});

test("a refused write leaves no file", async () => {
  await objects.put({ key: "k", body: Buffer.from("1") });
  const put = objects.put({ key: "k", body: Buffer.from("2"), condition: { ifNoneMatch: "*" } });
  await expect(put).rejects.toMatchObject({ code: "E_CONFLICT" });
  const { bodies, incoming } = await filesOnDisk();
  expect([bodies.length, incoming]).toEqual([1, []]);
});

test("a body whose sender goes away half-way leaves no file", async () => {
  const body = new PassThrough();
  const put = objects.put({ key: "k", body });
  body.write("half");
  body.destroy();
  await expect(put).rejects.toThrow();
  expect(await filesOnDisk()).toEqual({ bodies: [], incoming: [] });
});

test("the ETag is the content's SHA-256, and the time the clock's", async () => {
  const { etag, lastModified } = await objects.put({ key: "k", body: Readable.from(["ab", "c"]) });
  expect(etag).toBe(`"${createHash("sha256").update("abc").digest("hex")}"`);
  expect(lastModified).toEqual(clock.now());
});

test("a large body passes through little memory", async () => {
  const source = `${opening()}
    const { Readable } = await import("node:stream");
    const chunk = Buffer.alloc(65536);
    const before = process.memoryUsage().rss;
    await objects.put({ key: "big", body: Readable.from((function* () { for (let n = 0; n < 3200; n++) yield chunk; })()) });
    process.stdout.write(String((process.memoryUsage().rss - before) / 1e6));
    await objects.close();`;
  const grownMegabytes = Number(await runInProcess(source, modules));
  expect((await objects.head("big"))!.size).toBe(209_715_200);
  expect(grownMegabytes).toBeLessThan(100);
});

test("a list of 100,000 objects goes page by page straight to its place", async () => {
  const database = new DatabaseSync(join(folder, "index.sqlite"));
  database.exec(`
    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
    INSERT INTO versions (key, version_id, size, etag, content_type, last_modified, is_current)
    SELECT CAST(format('big/%06d', i) AS BLOB), lower(hex(randomblob(16))), 1, '"x"', 'a/b', 0, 1 FROM n`);
  database.close();
  let count = 0;
  let after: string | undefined;
  do {
    const page = await objects.list({ prefix: "big/", ...(after === undefined ? {} : { after }) });
    count += page.objects.length;
    after = page.next;
  } while (after !== undefined);
  expect(count).toBe(100_000);
  // A walk from the prefix's start would make a late page cost hundreds of times an early one.
  const cost = async (key: string) => {
    const start = performance.now();
    for (let n = 0; n < 50; n++) await objects.list({ prefix: "big/", after: key, limit: 10 });
    return performance.now() - start;
  };
  const early = await cost("big/000010");
  expect(await cost("big/099980")).toBeLessThan(early * 10 + 20);
});

test.runIf(process.platform === "linux")(
  "a full disk is E_DISK_FULL, leaves no half object, and passes",
  async () => {
    // A file system of 1 MB in a mount namespace of the child's own; without root, in a user namespace too.
    const source = `${opening()}
    const attempt = (key, size) => objects.put({ key, body: Buffer.alloc(size) }).then(() => "done", (error) => error.code);
    const results = [await attempt("small", 1000), await attempt("large", 4_000_000), await attempt("after", 1000)];
    const { objects: listed } = await objects.list({ prefix: "" });
    console.log(JSON.stringify({ results, listed: listed.map(({ key }) => key), swept: await objects.sweep() }));
    await objects.close();`;
    const imports = Object.entries(modules).map(([name, url]) => `import * as ${name} from "${url.href}";`);
    const unshare = process.getuid?.() === 0 ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
    const script = `mount -t tmpfs -o size=3m none "$0" && exec "$1" --input-type=module --eval "$2"`;
    const child = spawn("unshare", [
      ...unshare,
      "sh",
      "-c",
      script,
      folder,
      process.execPath,
      [...imports, source].join("\n"),
    ]);
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(err).toBe("");
    expect(JSON.parse(out)).toEqual({
      results: ["done", "E_DISK_FULL", "done"],
      listed: ["after", "small"],
      swept: 0,
    });
  },
);
