import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createKeys } from "../../embedded/keys.ts";
import type { Keys } from "../../ports/keys.ts";
import { decryptArchive, encryptArchive, rewrapArchive } from "./encryption.ts";
import type { ArchiveBytes } from "./source.ts";

const chunkBytes = 1024;
const sealedChunkBytes = chunkBytes + 16;

describe("an encrypted archive", () => {
  let folder: string;
  let keys: Keys;
  let otherKeys: Keys;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rowhouse-encryption-"));
    keys = await createKeys({ file: join(folder, "keys.json") });
    otherKeys = await createKeys({ file: join(folder, "other.json") });
  });
  afterAll(() => rm(folder, { recursive: true }));

  const seal = async (plain: Buffer, pieceBytes = 700) =>
    buffer(
      await encryptArchive(Readable.from(pieces(plain, pieceBytes)), { keys, slug: "acme", chunkBytes }),
    );
  const open = (sealed: Buffer, slug = "acme", using = keys) =>
    decryptArchive(bytesOf(sealed), { keys: using, slug });
  const readAll = async (sealed: Buffer) => {
    const bytes = await open(sealed);
    return buffer(await bytes.read(0, bytes.size));
  };

  const plaintext = fc
    .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -2, max: 2 }), fc.integer())
    .map(([chunks, around, seed]) => randomish(Math.max(0, chunks * chunkBytes + around), seed));

  it("gives back any part of what went in, however it came", async () => {
    await fc.assert(
      fc.asyncProperty(
        plaintext,
        fc.integer({ min: 1, max: 3000 }),
        fc.nat(),
        fc.nat(),
        async (plain, pieceBytes, a, b) => {
          const bytes = await open(await seal(plain, pieceBytes));
          expect(bytes.size).toBe(plain.length);
          const [start, end] = [a % (plain.length + 1), b % (plain.length + 1)].toSorted((x, y) => x - y);
          expect((await buffer(await bytes.read(start!, end!))).equals(plain.subarray(start, end))).toBe(
            true,
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("notices any changed byte and any cut", async () => {
    await fc.assert(
      fc.asyncProperty(plaintext, fc.nat(), fc.integer({ min: 1, max: 255 }), async (plain, place, flip) => {
        const sealed = await seal(plain);
        const changed = Buffer.from(sealed);
        changed[place % sealed.length]! ^= flip;
        await expect(readAll(changed)).rejects.toMatchObject({ code: expect.stringMatching(/^E_ARCHIVE_/) });
        await expect(readAll(sealed.subarray(0, place % sealed.length))).rejects.toMatchObject({
          code: expect.stringMatching(/^E_ARCHIVE_/),
        });
      }),
      { numRuns: 100 },
    );
  });

  it("notices chunks that were left out, moved, repeated, or put at the end", async () => {
    const sealed = await seal(randomish(chunkBytes * 4, 1));
    const body = sealed.length - 4 * sealedChunkBytes;
    const chunk = (index: number) =>
      sealed.subarray(body + index * sealedChunkBytes, body + (index + 1) * sealedChunkBytes);
    const orders = [[0, 1, 2], [1, 2, 3], [0, 2, 1, 3], [0, 1, 1, 3], [0, 1, 2, 3, 3], [0, 1, 3], [3], []];
    for (const order of orders) {
      const changed = Buffer.concat([sealed.subarray(0, body), ...order.map(chunk)]);
      await expect(readAll(changed), String(order)).rejects.toMatchObject({ code: "E_ARCHIVE_DAMAGED" });
    }
    expect((await readAll(sealed)).length).toBe(chunkBytes * 4);
  });

  it("says at its opening that the end is missing", async () => {
    const sealed = await seal(randomish(chunkBytes * 4, 1));
    await expect(open(sealed.subarray(0, -sealedChunkBytes))).rejects.toMatchObject({
      code: "E_ARCHIVE_DAMAGED",
    });
  });

  it("opens for its tenant with its region's keys alone", async () => {
    const sealed = await seal(Buffer.from("rows"));
    await expect(open(sealed, "other")).rejects.toMatchObject({ code: "E_ARCHIVE_KEY" });
    await expect(open(sealed, "acme", otherKeys)).rejects.toMatchObject({ code: "E_ARCHIVE_KEY" });
    await expect(open(Buffer.from("PK not sealed"))).rejects.toMatchObject({ code: "E_ARCHIVE_FORMAT" });
    const newer = Buffer.from(sealed.toString("latin1").replace('"version":1', '"version":2'), "latin1");
    await expect(open(newer)).rejects.toMatchObject({ code: "E_ARCHIVE_VERSION" });
  });

  it("is sealed anew for other keys, with the same body", async () => {
    const plain = randomish(chunkBytes * 3 + 5, 7);
    const sealed = await seal(plain);
    const again = await buffer(await rewrapArchive(bytesOf(sealed), { keys, slug: "acme", to: otherKeys }));
    const bytes = await open(again, "acme", otherKeys);
    expect((await buffer(await bytes.read(0, bytes.size))).equals(plain)).toBe(true);
    await expect(open(again)).rejects.toMatchObject({ code: "E_ARCHIVE_KEY" });
    const bodyBytes = plain.length + 4 * 16;
    expect(again.subarray(-bodyBytes).equals(sealed.subarray(-bodyBytes))).toBe(true);
  });

  it("ends its source when it is destroyed unread, and fails when that fails", async () => {
    const source = Readable.from(pieces(Buffer.alloc(100), 10));
    const sealed = await encryptArchive(source, { keys, slug: "acme" });
    sealed.destroy();
    await expect.poll(() => source.destroyed).toBe(true);
    const failing = new Readable({
      read() {
        this.destroy(new Error("source failed"));
      },
    });
    await expect(buffer(await encryptArchive(failing, { keys, slug: "acme" }))).rejects.toThrow(
      "source failed",
    );
  });
});

function* pieces(plain: Buffer, pieceBytes: number): Generator<Buffer> {
  for (let at = 0; at < plain.length; at += pieceBytes) yield plain.subarray(at, at + pieceBytes);
}

function randomish(length: number, seed: number): Buffer {
  return Buffer.from(
    Uint8Array.from({ length }, (_, index) => Math.imul(index + seed, 2_654_435_761) >>> 24),
  );
}

function bytesOf(buffer: Buffer): ArchiveBytes {
  return {
    size: buffer.length,
    read: async (start, end) => Readable.from(pieces(buffer.subarray(start, end), 500)),
    close: async () => {},
  };
}
