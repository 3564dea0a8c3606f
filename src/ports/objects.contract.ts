import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ContractSkips, skipCases } from "../../test/support/contract-skips.ts";
import type { Objects } from "./objects.ts";
import { listingContract, objectTools } from "./objects-listing.contract.ts";

/**
 * What every object storage must do. Each test works under a prefix of its own, so an engine that others use too
 * will do. `fetchUrl` asks for a URL as a stranger would: `origin` goes before one that is relative.
 */
export function objectsContract(
  name: string,
  make: () => Promise<{ readonly objects: Objects; readonly origin: string; dispose(): Promise<void> }>,
  { skip }: { readonly skip?: ContractSkips } = {},
): void {
  describe(`${name}: objects`, () => {
    skipCases(skip);
    const conflict = expect.objectContaining({ code: "E_CONFLICT" });
    let objects: Objects;
    let origin: string;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ objects, origin, dispose } = await make());
    });
    afterAll(() => dispose());

    const { bytes, keysUnder, newPrefix, read } = objectTools(() => objects);

    describe("put and get", () => {
      test("keep the bytes, the type and the size", async () => {
        const key = `${newPrefix()}cover.png`;
        const body = Buffer.from(Array.from({ length: 256 }, (_, n) => n));
        const put = await objects.put({ key, body, contentType: "image/png" });
        expect(put).toMatchObject({ key, size: 256, contentType: "image/png" });
        expect(put.etag).toMatch(/^"[^"]+"$/);
        expect(Math.abs(put.lastModified.getTime() - Date.now())).toBeLessThan(60_000);
        expect(await objects.head(key)).toMatchObject({
          key,
          size: 256,
          etag: put.etag,
          contentType: "image/png",
          versionId: put.versionId,
        });
        const found = await objects.get(key);
        expect(found!.info).toMatchObject({
          key,
          size: 256,
          etag: put.etag,
          contentType: "image/png",
          versionId: put.versionId,
        });
        expect(await buffer(found!.body)).toEqual(body);
      });

      test("keep an empty object, of no particular type", async () => {
        const key = `${newPrefix()}empty`;
        expect(await objects.put({ key, body: new Uint8Array() })).toMatchObject({
          size: 0,
          contentType: "application/octet-stream",
        });
        expect(await read(key)).toBe("");
      });

      test("take a stream of unknown length", async () => {
        const key = `${newPrefix()}stream`;
        const chunk = Buffer.alloc(64 * 1024, "x");
        const body = Readable.from(Array.from({ length: 100 }, () => chunk));
        expect(await objects.put({ key, body })).toMatchObject({ size: 6_553_600 });
        expect((await objects.head(key))!.size).toBe(6_553_600);
        expect((await read(key))!.length).toBe(6_553_600);
      });

      test("show nothing of a stream that breaks off, and leave what was there", async () => {
        const prefix = newPrefix();
        const broken = () =>
          Readable.from(
            (async function* () {
              yield bytes("half");
              throw new Error("the line is dead");
            })(),
          );
        await expect(objects.put({ key: `${prefix}new`, body: broken() })).rejects.toThrow(
          "the line is dead",
        );
        expect(await objects.head(`${prefix}new`)).toBeUndefined();
        await objects.put({ key: `${prefix}old`, body: bytes("whole") });
        await expect(objects.put({ key: `${prefix}old`, body: broken() })).rejects.toThrow(
          "the line is dead",
        );
        expect(await read(`${prefix}old`)).toBe("whole");
        expect(await keysUnder(prefix)).toEqual([`${prefix}old`]);
      });

      test("answer nothing for what is not there", async () => {
        const key = `${newPrefix()}nothing`;
        expect(await objects.get(key)).toBeUndefined();
        expect(await objects.head(key)).toBeUndefined();
        expect(await objects.versions(key)).toEqual([]);
      });

      test("replace an object, whose ETag tells that it changed", async () => {
        const key = `${newPrefix()}k`;
        const first = await objects.put({ key, body: bytes("1") });
        const second = await objects.put({ key, body: bytes("2") });
        expect(second.etag).not.toBe(first.etag);
        expect(await read(key)).toBe("2");
      });

      test("read ranges, both ends inclusive, and no further than the end", async () => {
        const key = `${newPrefix()}k`;
        await objects.put({ key, body: bytes("0123456789") });
        expect(await read(key, { range: { start: 0, end: 0 } })).toBe("0");
        expect(await read(key, { range: { start: 2, end: 5 } })).toBe("2345");
        expect(await read(key, { range: { start: 8, end: 1000 } })).toBe("89");
        const part = await objects.get(key, { range: { start: 2, end: 5 } });
        expect(part!.info.size).toBe(10);
        part!.body.destroy();
        const refused = expect.objectContaining({ code: "E_ARGUMENT" });
        await expect(objects.get(key, { range: { start: 10, end: 11 } })).rejects.toEqual(refused);
        await expect(objects.get(key, { range: { start: 5, end: 4 } })).rejects.toEqual(refused);
      });
    });

    describe("keys", () => {
      test.each([
        ["an object and one below it", ["a", "a/b", "a/b/c"]],
        ["upper and lower case", ["readme", "README", "Readme"]],
        ["a letter with an accent, composed and not", ["caf\u00e9", "cafe\u0301"]],
        [
          "marks that mean something to a URL, a shell or a file system",
          ["a b+c%20?x=1&y#z", "%2e%2e", "*", "a:b|c<d>", "-rf ~", "'\"`$", "con", ".hidden", "...", "a."],
        ],
        ["other scripts", ["日本語/ファイル", "🏠"]],
        ["names that look like an engine's own", ["index.sqlite", "bodies/00/x", "incoming/1.2.3"]],
      ])("tell apart %s", async (_, names: readonly string[]) => {
        const prefix = newPrefix();
        for (const key of names) await objects.put({ key: prefix + key, body: bytes(`body of ${key}`) });
        for (const key of names) expect(await read(prefix + key)).toBe(`body of ${key}`);
        expect((await keysUnder(prefix)).sort()).toEqual(names.map((key) => prefix + key).sort());
      });

      test("may be as long as 512 bytes", async () => {
        const prefix = newPrefix();
        const key = prefix + "ü".repeat((512 - prefix.length) / 2);
        await objects.put({ key, body: bytes("x") });
        expect(await read(key)).toBe("x");
        expect(await keysUnder(prefix)).toEqual([key]);
      });

      test.each([
        ["", "nothing"],
        ["/etc/passwd", "an absolute path"],
        ["a/../../b", "a way up"],
        ["..", "a way up alone"],
        ["a/./b", "a way nowhere"],
        ["a//b", "an empty segment"],
        ["a/", "a slash at the end"],
        ["a\\..\\b", "backslashes"],
        ["a\0b", "a zero byte"],
        ["a\nb", "a line break"],
        ["\ud800", "half a character"],
        ["x".repeat(513), "a key that is too long"],
        ["ü".repeat(257), "a key that is too long in bytes"],
        ["a\ufffe", "what XML can't carry"],
      ])("refuse %j: %s", async (key) => {
        const refused = expect.objectContaining({ code: "E_OBJECT_KEY" });
        await expect(objects.put({ key, body: bytes("x") })).rejects.toEqual(refused);
        await expect(objects.get(key)).rejects.toEqual(refused);
        await expect(objects.head(key)).rejects.toEqual(refused);
        await expect(objects.delete(key)).rejects.toEqual(refused);
        await expect(objects.versions(key)).rejects.toEqual(refused);
        await expect(objects.url(key, { expiresInSeconds: 60 })).rejects.toEqual(refused);
      });

      test("refuse a content type that could not be sent as a header", async () => {
        for (const contentType of ["", "text", "text/html\r\nset-cookie: a=b", "a/b; c", "ü/x"]) {
          const put = objects.put({ key: `${newPrefix()}k`, body: bytes("x"), contentType });
          await expect(put, contentType).rejects.toMatchObject({ code: "E_ARGUMENT" });
        }
      });
    });

    describe("conditions", () => {
      test("ifNoneMatch lets one of many create an object, and it is that one's body", async () => {
        const key = `${newPrefix()}k`;
        const attempts = Array.from({ length: 8 }, (_, n) =>
          objects.put({ key, body: bytes(String(n)), condition: { ifNoneMatch: "*" } }),
        );
        const settled = await Promise.allSettled(attempts);
        const winners = settled.flatMap(({ status }, n) => (status === "fulfilled" ? [n] : []));
        expect(winners).toHaveLength(1);
        for (const result of settled)
          if (result.status === "rejected") expect(result.reason).toEqual(conflict);
        expect(await read(key)).toBe(String(winners[0]));
        expect(await objects.versions(key)).toHaveLength(1);
      });

      test("ifMatch loses no update of many", async () => {
        const key = `${newPrefix()}counter`;
        await objects.put({ key, body: bytes("0") });
        const increment = async (): Promise<void> => {
          for (;;) {
            const found = await objects.get(key);
            const next = Number(await buffer(found!.body)) + 1;
            const condition = { ifMatch: found!.info.etag };
            const put = objects.put({ key, body: bytes(String(next)), condition });
            if (
              await put.then(
                () => true,
                (error: { code?: string }) => error.code !== "E_CONFLICT" && Promise.reject(error),
              )
            )
              return;
          }
        };
        await Promise.all(Array.from({ length: 4 }, async () => [await increment(), await increment()]));
        expect(await read(key)).toBe("8");
      });

      test("ifMatch does not hold where there is nothing, or no longer anything", async () => {
        const key = `${newPrefix()}k`;
        const put = (etag: string) => objects.put({ key, body: bytes("x"), condition: { ifMatch: etag } });
        await expect(put('"d41d8cd98f00b204e9800998ecf8427e"')).rejects.toEqual(conflict);
        const { etag } = await objects.put({ key, body: bytes("1") });
        await objects.delete(key);
        await expect(put(etag)).rejects.toEqual(conflict);
        expect(await objects.head(key)).toBeUndefined();
      });

      test("ifNoneMatch holds again once the object was deleted", async () => {
        const key = `${newPrefix()}k`;
        await objects.put({ key, body: bytes("1") });
        await objects.delete(key);
        await objects.put({ key, body: bytes("2"), condition: { ifNoneMatch: "*" } });
        expect(await read(key)).toBe("2");
      });
    });

    listingContract(() => objects);

    describe("urls", () => {
      const ask = async (url: string, init?: RequestInit) => fetch(new URL(url, origin), init);

      test("give the object to whoever has them", async () => {
        const key = `${newPrefix()}Größe & 100% of it/a+b.txt`;
        const { etag } = await objects.put({ key, body: bytes("hello"), contentType: "text/plain" });
        const response = await ask(await objects.url(key, { expiresInSeconds: 60 }));
        expect([response.status, response.headers.get("content-type"), await response.text()]).toEqual([
          200,
          "text/plain",
          "hello",
        ]);
        expect(response.headers.get("etag")).toBe(etag);
        const part = await ask(await objects.url(key, { expiresInSeconds: 60 }), {
          headers: { range: "bytes=1-2" },
        });
        expect([part.status, await part.text()]).toEqual([206, "el"]);
      });

      test("give no other object, and nothing once a character was changed", async () => {
        const prefix = newPrefix();
        await objects.put({ key: `${prefix}mine`, body: bytes("1") });
        await objects.put({ key: `${prefix}other`, body: bytes("2") });
        const url = await objects.url(`${prefix}mine`, { expiresInSeconds: 60 });
        for (const changed of [
          url.replace("mine", "other"),
          url.replace(/.$/, (c) => (c === "A" ? "Q" : "A")),
          url.split("?")[0]!,
        ]) {
          const response = await ask(changed);
          expect(response.status, changed).toBe(403);
          await response.body?.cancel();
        }
      });

      test("answer 404 for what is not there", async () => {
        const response = await ask(await objects.url(`${newPrefix()}nothing`, { expiresInSeconds: 60 }));
        expect(response.status).toBe(404);
        await response.body?.cancel();
      });

      test("expire", async () => {
        const key = `${newPrefix()}k`;
        await objects.put({ key, body: bytes("x") });
        const url = await objects.url(key, { expiresInSeconds: 1 });
        const status = async () => {
          const response = await ask(url);
          await response.body?.cancel();
          return response.status;
        };
        await expect.poll(status, { timeout: 10_000, interval: 200 }).toBe(403);
      });

      test("are not made for no time, or for longer than a week", async () => {
        for (const expiresInSeconds of [0, -1, 1.5, 604_801, Number.NaN]) {
          await expect(objects.url("k", { expiresInSeconds })).rejects.toMatchObject({ code: "E_ARGUMENT" });
        }
      });
    });
  });
}
