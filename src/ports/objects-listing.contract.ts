import { randomUUID } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import type { Objects } from "./objects.ts";

/** What the parts of the contract share: names of their own, and shorter ways to read. */
export function objectTools(objects: () => Objects) {
  return {
    newPrefix: () => `contract/${randomUUID()}/`,
    bytes: (text: string) => Buffer.from(text),
    async read(key: string, options?: Parameters<Objects["get"]>[1]): Promise<string | undefined> {
      const found = await objects().get(key, options);
      return found && (await buffer(found.body)).toString();
    },
    async keysUnder(prefix: string): Promise<string[]> {
      return (await objects().list({ prefix })).objects.map(({ key }) => key);
    },
  };
}

/** The part of the contract about lists and versions; registered by `objectsContract`. */
export function listingContract(objects: () => Objects): void {
  const { bytes, keysUnder, newPrefix, read } = objectTools(objects);

  describe("lists", () => {
    test("are in the order of the keys' bytes, which is not that of JavaScript's strings", async () => {
      const prefix = newPrefix();
      // U+FF5E sorts after U+1F600 by UTF-16 code units, and before it by bytes of UTF-8.
      const names = ["\u{1F600}", "\uFF5E", "a", "B", "a/b", "a-b", "a.b", "ü", "10", "9", "aa"];
      for (const key of names) await objects().put({ key: prefix + key, body: bytes(key) });
      const expected = names.map((key) => prefix + key).sort((a, b) => Buffer.compare(bytes(a), bytes(b)));
      expect(await keysUnder(prefix)).toEqual(expected);
    });

    test("come in pages that miss and repeat nothing", async () => {
      const prefix = newPrefix();
      const names = Array.from({ length: 25 }, (_, n) => `${prefix}${String(n).padStart(2, "0")}`);
      await Promise.all(names.map((key) => objects().put({ key, body: bytes(key) })));
      const pages: string[][] = [];
      let after: string | undefined;
      do {
        const page = await objects().list({ prefix, limit: 10, ...(after === undefined ? {} : { after }) });
        pages.push(page.objects.map(({ key }) => key));
        after = page.next;
      } while (after !== undefined);
      expect(pages.map((page) => page.length)).toEqual([10, 10, 5]);
      expect(pages.flat()).toEqual(names);
      const exact = await objects().list({ prefix, limit: 25 });
      expect([exact.objects.length, exact.next]).toEqual([25, undefined]);
      expect((await objects().list({ prefix, after: `${prefix}045` })).objects[0]!.key).toBe(`${prefix}05`);
    });

    test("say of each object its size, ETag and time", async () => {
      const prefix = newPrefix();
      const { etag } = await objects().put({ key: `${prefix}k`, body: bytes("12345") });
      const { objects: listed } = await objects().list({ prefix });
      expect(listed).toEqual([{ key: `${prefix}k`, size: 5, etag, lastModified: expect.any(Date) }]);
    });

    test("take a prefix as the start of a key, not as a folder", async () => {
      const prefix = newPrefix();
      for (const key of ["acme/1", "acme2/1", "acm"])
        await objects().put({ key: prefix + key, body: bytes("x") });
      expect(await keysUnder(`${prefix}acme`)).toEqual([`${prefix}acme/1`, `${prefix}acme2/1`]);
      expect(await keysUnder(`${prefix}acme/`)).toEqual([`${prefix}acme/1`]);
      expect(await keysUnder(`${prefix}zzz`)).toEqual([]);
    });

    test("refuse a page of no length", async () => {
      for (const limit of [0, -1, 1.5, Number.NaN]) {
        await expect(objects().list({ prefix: "x", limit })).rejects.toMatchObject({ code: "E_ARGUMENT" });
      }
    });
  });

  describe("versions", () => {
    test("stay when an object is replaced or deleted, newest first", async () => {
      const key = `${newPrefix()}k`;
      const first = await objects().put({ key, body: bytes("1") });
      const second = await objects().put({ key, body: bytes("2") });
      await objects().delete(key);
      await objects().delete(key);
      expect(await objects().get(key)).toBeUndefined();
      expect(await objects().head(key)).toBeUndefined();
      const versions = await objects().versions(key);
      expect(versions.map(({ versionId }) => versionId)).toEqual([second.versionId, first.versionId]);
      expect(versions[1]).toMatchObject({ key, size: 1, etag: first.etag, lastModified: expect.any(Date) });
      expect(await read(key, { versionId: first.versionId })).toBe("1");
      expect(await read(key, { versionId: second.versionId })).toBe("2");
    });

    test("hide a deleted object from lists, and a new put shows it again", async () => {
      const prefix = newPrefix();
      await objects().put({ key: `${prefix}a`, body: bytes("1") });
      await objects().put({ key: `${prefix}b`, body: bytes("1") });
      await objects().delete(`${prefix}a`);
      expect(await keysUnder(prefix)).toEqual([`${prefix}b`]);
      await objects().put({ key: `${prefix}a`, body: bytes("2") });
      expect(await keysUnder(prefix)).toEqual([`${prefix}a`, `${prefix}b`]);
    });

    test("go one by one, and the one before becomes the current", async () => {
      const prefix = newPrefix();
      const key = `${prefix}k`;
      const first = await objects().put({ key, body: bytes("1") });
      const second = await objects().put({ key, body: bytes("2") });
      await objects().delete(key, { versionId: second.versionId });
      expect(await read(key)).toBe("1");
      expect(await objects().get(key, { versionId: second.versionId })).toBeUndefined();
      await objects().delete(key, { versionId: second.versionId });
      await objects().delete(key, { versionId: first.versionId });
      expect(await objects().head(key)).toBeUndefined();
      expect(await objects().versions(key)).toEqual([]);
      expect(await keysUnder(prefix)).toEqual([]);
    });

    test("under a deletion don't come to light when one of them goes", async () => {
      const key = `${newPrefix()}k`;
      await objects().put({ key, body: bytes("1") });
      const second = await objects().put({ key, body: bytes("2") });
      await objects().delete(key);
      await objects().delete(key, { versionId: second.versionId });
      expect(await objects().head(key)).toBeUndefined();
      const third = await objects().put({ key, body: bytes("3") });
      await objects().delete(key, { versionId: third.versionId });
      expect(await objects().head(key)).toBeUndefined();
      expect(await objects().versions(key)).toHaveLength(1);
    });

    test("belong to their key alone", async () => {
      const prefix = newPrefix();
      const mine = await objects().put({ key: `${prefix}mine`, body: bytes("1") });
      await objects().put({ key: `${prefix}other`, body: bytes("2") });
      await objects().put({ key: `${prefix}mine2`, body: bytes("3") });
      expect(await objects().get(`${prefix}other`, { versionId: mine.versionId })).toBeUndefined();
      await objects().delete(`${prefix}other`, { versionId: mine.versionId });
      expect(await read(`${prefix}mine`)).toBe("1");
      expect(await objects().versions(`${prefix}mine`)).toHaveLength(1);
    });

    test("are listed under a prefix, in pages, those of deleted objects too", async () => {
      const prefix = newPrefix();
      const written: string[] = [];
      for (const name of ["b", "a", "a", "gone", "a/b", "ü"]) {
        const { key, versionId } = await objects().put({ key: prefix + name, body: bytes(name) });
        written.push(`${key} ${versionId}`);
      }
      await objects().put({ key: `${prefix.slice(0, -1)}x/beside`, body: bytes("x") });
      await objects().delete(`${prefix}gone`);
      const listed: { key: string; versionId: string; size: number }[] = [];
      for (let after: string | undefined, pages = 0; pages < 20; pages++) {
        const page = await objects().listVersions({ prefix, limit: 2, ...(after ? { after } : {}) });
        expect(page.versions.length).toBeLessThanOrEqual(2);
        listed.push(...page.versions);
        if (page.next === undefined) break;
        after = page.next;
      }
      expect(listed.map(({ key, versionId }) => `${key} ${versionId}`).toSorted()).toEqual(
        written.toSorted(),
      );
      expect(listed.map(({ key }) => key.slice(prefix.length))).toEqual(["a", "a", "a/b", "b", "gone", "ü"]);
      expect(listed.at(-1)).toMatchObject({ size: 2 });
      const hidden = listed.find(({ key }) => key === `${prefix}gone`);
      expect(await read(`${prefix}gone`, { versionId: hidden!.versionId })).toBe("gone");
      await expect(objects().listVersions({ prefix, after: "no place" })).rejects.toMatchObject({
        code: "E_ARGUMENT",
      });
      expect(await objects().listVersions({ prefix: newPrefix() })).toEqual({ versions: [] });
    });

    test("are all purged under a prefix, those of deleted objects too, and nothing beside it", async () => {
      const prefix = newPrefix();
      const neighbour = `${prefix}acme2/k`;
      for (const key of [`${prefix}acme/a`, `${prefix}acme/a`, `${prefix}acme/gone`, neighbour]) {
        await objects().put({ key, body: bytes("x") });
      }
      await objects().delete(`${prefix}acme/gone`);
      await expect(objects().purge(`${prefix}acme`)).rejects.toMatchObject({ code: "E_OBJECT_KEY" });
      expect(await objects().purge(`${prefix}acme/`)).toBe(3);
      expect(await objects().versions(`${prefix}acme/a`)).toEqual([]);
      expect(await objects().versions(`${prefix}acme/gone`)).toEqual([]);
      expect(await keysUnder(prefix)).toEqual([neighbour]);
      expect(await objects().purge(`${prefix}acme/`)).toBe(0);
    });
  });
}
