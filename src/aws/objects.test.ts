import { randomBytes } from "node:crypto";
import { createServer, request as httpRequest, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough, Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import {
  DeleteBucketPolicyCommand,
  ListMultipartUploadsCommand,
  PutBucketPolicyCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { createTestBucket } from "../../test/support/aws/bucket.ts";
import { emulatedPageLength } from "../../test/support/aws/emulator.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { runInProcess } from "../../test/support/node-process.ts";
import { createSystemClock } from "../node/clock.ts";
import { objectsContract } from "../ports/objects.contract.ts";
import type { Objects } from "../ports/objects.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createObjects } from "./objects.ts";

const isReal = process.env.ROWHOUSE_AWS_REAL === "1";
const clock = createSystemClock();
const megabyte = 1024 * 1024;

async function newBucket() {
  const access = await emptyAccount();
  const { client, bucket, remove } = await createTestBucket(access, testPrefix());
  const objects = createObjects({ client, bucket, clock });
  const dispose = async () => {
    for (const prefix of ["contract/", "test/"]) await objects.purge(prefix);
    await remove();
  };
  return { access, client, bucket, objects, dispose };
}

objectsContract("aws", async () => ({ ...(await newBucket()), origin: "http://relative.invalid" }), {
  skip: isReal
    ? {}
    : {
        "give no other object, and nothing once a character was changed": "moto checks no signature",
        "answer 404 for what is not there":
          "moto takes response-content-disposition for a header that misses",
        expire: "moto checks no expiry",
      },
});

let access: AwsAccess;
let client: S3Client;
let bucket: string;
let objects: Objects;
let dispose: () => Promise<void>;
beforeAll(async () => {
  ({ access, client, bucket, objects, dispose } = await newBucket());
});
afterAll(() => dispose());

const bytes = (value: string) => Buffer.from(value);
const read = async (key: string) => text((await objects.get(key))!.body);
const uploads = async () => {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
  return Uploads.map(({ Key }) => Key);
};

test.skipIf(isReal)("moto serves signed URLs to whoever changes them, and after their end", async () => {
  await objects.put({ key: "test/a", body: bytes("a") });
  await objects.put({ key: "test/b", body: bytes("b") });
  const url = await objects.url("test/a", { expiresInSeconds: 60 });
  const answer = async (asked: string) => (await fetch(asked)).status;
  expect(await answer(url.replace("test/a", "test/b"))).toBe(200);
  expect(await answer(url.replace("X-Amz-Expires=60", "X-Amz-Expires=0"))).toBe(200);
  expect(await answer(await objects.url("test/nothing", { expiresInSeconds: 60 }))).toBe(403);
  // Without the parameter that it takes for a header, and with no other signature, it is as it should be.
  expect(await answer(`${url.split("?")[0]!.replace("test/a", "test/nothing")}?X-Amz-Signature=x`)).toBe(404);
});

describe("a streamed body", () => {
  const content = randomBytes(20 * megabyte);
  const chunks = () => Readable.from([content.subarray(0, 7), content.subarray(7)]);
  // moto copies all bodies of a bucket whenever it lists versions.
  afterEach(() => objects.purge("test/"));

  test("goes in parts, and comes back whole", async () => {
    const { etag, size } = await objects.put({ key: "test/parts", body: chunks(), contentType: "a/b" });
    expect([size, etag]).toEqual([content.length, expect.stringMatching(/^"[0-9a-f]{32}-3"$/)]);
    const found = await objects.get("test/parts");
    expect(found!.info).toMatchObject({ size, etag, contentType: "a/b" });
    expect((await buffer(found!.body)).equals(content)).toBe(true);
    expect(await uploads()).toEqual([]);
  });

  test("that breaks off after some parts leaves neither object nor parts", async () => {
    const body = Readable.from(
      (async function* () {
        yield content;
        throw new Error("the line is dead");
      })(),
    );
    await expect(objects.put({ key: "test/broken", body })).rejects.toThrow("the line is dead");
    expect(await objects.versions("test/broken")).toEqual([]);
    expect(await uploads()).toEqual([]);
  });

  test("whose sender goes away half-way leaves nothing", async () => {
    const body = new PassThrough();
    const put = objects.put({ key: "test/left", body });
    body.write(content);
    body.destroy();
    await expect(put).rejects.toThrow();
    expect(await objects.versions("test/left")).toEqual([]);
    expect(await uploads()).toEqual([]);
  });

  test("is given up when S3 refuses it", async () => {
    const body = chunks();
    const nowhere = createObjects({ client, bucket: `${bucket}-nowhere`, clock });
    await expect(nowhere.put({ key: "test/k", body })).rejects.toMatchObject({ name: "NoSuchBucket" });
    expect(body.destroyed).toBe(true);
  });

  test("is written under the same conditions", async () => {
    const key = "test/conditional-parts";
    const conflict = { code: "E_CONFLICT" };
    await objects.put({ key, body: chunks(), condition: { ifNoneMatch: "*" } });
    const again = objects.put({ key, body: chunks(), condition: { ifNoneMatch: "*" } });
    await expect(again).rejects.toMatchObject(conflict);
    expect(await objects.versions(key)).toHaveLength(1);
    const stale = objects.put({ key, body: chunks(), condition: { ifMatch: '"stale"' } });
    // moto completes an upload whatever If-Match says.
    if (isReal) await expect(stale).rejects.toMatchObject(conflict);
    else expect((await stale).size).toBe(content.length);
    expect(await uploads()).toEqual([]);
  });

  test("passes through little memory, both ways", async () => {
    const source = `
      const { S3Client } = await import("@aws-sdk/client-s3");
      const { Readable, Writable } = await import("node:stream");
      const client = clientModule.createAwsClient(S3Client, ${JSON.stringify(access)}, { forcePathStyle: ${!isReal} });
      const clock = clockModule.createSystemClock();
      const objects = objectsModule.createObjects({ client, bucket: ${JSON.stringify(bucket)}, clock });
      const chunk = Buffer.alloc(65536, "x");
      await objects.put({ key: "test/warm", body: Readable.from([chunk]) });
      const before = process.memoryUsage().rss;
      await objects.put({ key: "test/big", body: Readable.from((function* () { for (let n = 0; n < 1600; n++) yield chunk; })()) });
      let length = 0;
      const { body } = await objects.get("test/big");
      for await (const part of body) length += part.length;
      const grownMegabytes = (process.memoryUsage().rss - before) / 1e6;
      client.destroy();
      process.stdout.write(JSON.stringify({ length, grownMegabytes }));`;
    const result = JSON.parse(
      await runInProcess(source, {
        objectsModule: new URL("./objects.ts", import.meta.url),
        clientModule: new URL("./client.ts", import.meta.url),
        clockModule: new URL("../node/clock.ts", import.meta.url),
      }),
    );
    expect(result.length).toBe(104_857_600);
    // Four parts of 8 MiB are under way, and as much again waits for the garbage collector.
    expect(result.grownMegabytes).toBeLessThan(100);
  });
});

/** S3 behind a line that is cut after the first answer to each of these requests, before the answer comes through. */
describe("a write whose answer is lost", () => {
  let proxy: Server;
  let behind: Objects;
  let lost: number;
  beforeAll(async () => {
    const target = new URL(access.endpoint ?? `https://s3.${access.region}.amazonaws.com`);
    proxy = createServer((incoming, outgoing) => {
      const { method, url: path, headers } = incoming;
      const { hostname, port } = target;
      const forwarded = httpRequest({ hostname, port, method, path, headers }, (answer) => {
        if (method === "PUT" && lost-- > 0) {
          answer.resume().on("end", () => incoming.socket.destroy());
          return;
        }
        outgoing.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(outgoing);
      });
      incoming.pipe(forwarded);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const through = createAwsClient(S3Client, { ...access, endpoint }, { forcePathStyle: true });
    behind = createObjects({ client: through, bucket, clock });
  });
  afterAll(() => {
    proxy.closeAllConnections();
    proxy.close();
  });

  // The signature is for the proxy's host, which only an emulator takes.
  test.skipIf(isReal)("is no conflict with itself", async () => {
    lost = 1;
    const key = "test/lost";
    const created = await behind.put({ key, body: bytes("1"), condition: { ifNoneMatch: "*" } });
    expect(lost).toBeLessThan(1);
    expect(await objects.head(key)).toMatchObject({ etag: created.etag, versionId: created.versionId });
    lost = 1;
    const changed = await behind.put({ key, body: bytes("22"), condition: { ifMatch: created.etag } });
    expect(changed).toMatchObject({ size: 2, versionId: (await objects.head(key))!.versionId });
    expect(await objects.versions(key)).toHaveLength(2);
  });

  test.skipIf(isReal)("is one when someone else's was there before", async () => {
    await objects.put({ key: "test/theirs", body: bytes("theirs") });
    lost = 1;
    const put = behind.put({ key: "test/theirs", body: bytes("mine"), condition: { ifNoneMatch: "*" } });
    await expect(put).rejects.toMatchObject({ code: "E_CONFLICT" });
    expect(await read("test/theirs")).toBe("theirs");
  });
});

describe("keys", () => {
  test("come back as they are from S3's XML, and are purged", async () => {
    const names = ["&amp;", "<a>", " b ", '"c"', "\u0085", "\u2028", "+", "%20", "é", "e\u0301"];
    for (const name of names) await objects.put({ key: `test/xml/${name}`, body: bytes(name) });
    const { objects: listed } = await objects.list({ prefix: "test/xml/" });
    expect(listed.map(({ key }) => key).sort()).toEqual(names.map((name) => `test/xml/${name}`).sort());
    for (const name of names) expect(await objects.versions(`test/xml/${name}`)).toHaveLength(1);
    expect(await objects.purge("test/xml/")).toBe(names.length);
    expect((await objects.list({ prefix: "test/xml/" })).objects).toEqual([]);
  });

  test("and versions of more than a page are listed, and purged with their markers", async () => {
    const puts: string[] = [];
    const pageLength = isReal ? 1_000 : emulatedPageLength;
    // One after the other: moto loses versions of one key that are put at the same time.
    for (let n = 0; n <= 2 * pageLength; n++)
      puts.push((await objects.put({ key: "test/many/k", body: bytes("x") })).versionId);
    await objects.put({ key: "test/many/k/below", body: bytes("x") });
    await objects.delete("test/many/k");
    const versions = await objects.versions("test/many/k");
    expect(versions.map(({ versionId }) => versionId)).toEqual(puts.toReversed());
    expect(await objects.purge("test/many/")).toBe(puts.length + 1);
    expect(await objects.versions("test/many/k")).toEqual([]);
  }, 300_000);

  test("have no version of an id that S3 never gave", async () => {
    await objects.put({ key: "test/k", body: bytes("x") });
    expect(await objects.get("test/k", { versionId: "of no version" })).toBeUndefined();
    await objects.delete("test/k", { versionId: "of no version" });
    expect(await read("test/k")).toBe("x");
  });
});

test("what the bucket's policy denies is E_AWS_ACCESS, where one key of a purge alone is denied too", async () => {
  await objects.put({ key: "test/denied/k", body: bytes("x") });
  const deny = {
    Effect: "Deny",
    Principal: "*",
    Action: "s3:*",
    Resource: `arn:aws:s3:::${bucket}/test/denied/*`,
  };
  const Policy = JSON.stringify({ Version: "2012-10-17", Statement: [deny] });
  await client.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy }));
  const refused = { code: "E_AWS_ACCESS" };
  const head = () => objects.head("test/denied/k").catch((error: unknown) => error);
  await expect.poll(head, { timeout: 20_000 }).toMatchObject(refused);
  await expect(objects.get("test/denied/k")).rejects.toMatchObject(refused);
  await expect(objects.purge("test/denied/")).rejects.toMatchObject(refused);
  await client.send(new DeleteBucketPolicyCommand({ Bucket: bucket }));
  await expect.poll(head, { timeout: 20_000 }).toMatchObject({ key: "test/denied/k" });
  expect(await objects.purge("test/denied/")).toBe(1);
});

describe("urls", () => {
  test("let a browser show what is harmless, and save all else under its name", async () => {
    const served = async (key: string, contentType: string) => {
      await objects.put({ key, body: bytes("x"), contentType });
      const { headers } = await fetch(await objects.url(key, { expiresInSeconds: 60 }));
      return ["content-type", "content-disposition", "cache-control"].map((name) => headers.get(name));
    };
    expect(await served("test/a.png", "image/png")).toEqual([
      "image/png",
      "inline; filename=\"a.png\"; filename*=UTF-8''a.png",
      "private, max-age=60",
    ]);
    expect(await served("test/ä.html", "text/html")).toEqual([
      "text/html",
      "attachment; filename=\"_.html\"; filename*=UTF-8''%C3%A4.html",
      "private, max-age=60",
    ]);
  });

  test("are signed with credentials that outlive them, where there are such", async () => {
    const fakeClock = createFakeClock();
    const lives = async (milliseconds: number) => new Date(fakeClock.now().getTime() + milliseconds);
    let given = 0;
    const provider = async () => {
      given++;
      const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
      const identity = { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) };
      return { ...identity, expiration: await lives(1_800_000) };
    };
    const extra = { forcePathStyle: !isReal, credentials: provider };
    const { region, endpoint } = access;
    const own = createAwsClient(S3Client, { region, ...(endpoint && { endpoint }) }, extra);
    const signing = createObjects({ client: own, bucket, clock: fakeClock });
    await signing.url("test/k", { expiresInSeconds: 1_800 });
    expect(given).toBe(1);
    await signing.url("test/k", { expiresInSeconds: 3_600 });
    expect(given).toBe(2);
    await signing.url("test/k", { expiresInSeconds: 3_600 });
    expect(given).toBe(2);
    await fakeClock.advance(60_000);
    await signing.url("test/k", { expiresInSeconds: 3_600 });
    expect(given).toBe(3);
    own.destroy();
  });
});

test("the time of a put is the clock's", async () => {
  const fakeClock = createFakeClock(new Date("2026-01-02T03:04:05Z"));
  const timed = createObjects({ client, bucket, clock: fakeClock });
  expect((await timed.put({ key: "test/k", body: bytes("x") })).lastModified).toEqual(fakeClock.now());
});
