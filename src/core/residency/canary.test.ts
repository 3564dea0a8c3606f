import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CanaryScanner, canaryEntropyBytes, formatCanary } from "./canary.ts";

const entropy = fc.uint8Array({ minLength: canaryEntropyBytes, maxLength: canaryEntropyBytes });
const spellings = {
  text: (bytes: Buffer) => bytes,
  "utf-16": (bytes: Buffer) => Buffer.from(bytes.toString("latin1"), "utf16le"),
  hex: (bytes: Buffer) => Buffer.from(bytes.toString("hex")),
  HEX: (bytes: Buffer) => Buffer.from(bytes.toString("hex").toUpperCase()),
  base64: (bytes: Buffer) => Buffer.from(bytes.toString("base64")),
  base64url: (bytes: Buffer) => Buffer.from(bytes.toString("base64url")),
};

describe("a canary", () => {
  it("is a word of its own for each draw, and can be a part of anything", () => {
    fc.assert(
      fc.property(entropy, (bytes) => {
        expect(formatCanary(bytes)).toMatch(/^rhcanary[a-z2-7]{24}$/);
      }),
    );
    const draws = [0, 1, 255].map((byte) => formatCanary(new Uint8Array(15).fill(byte)));
    expect(new Set(draws).size).toBe(3);
    expect(draws[2]).toBe(`rhcanary${"7".repeat(24)}`);
  });

  it.each(Object.entries(spellings))(
    "is found as %s, wherever it lies and however the bytes are cut",
    (_, spell) => {
      fc.assert(
        fc.property(
          entropy,
          fc.uint8Array({ maxLength: 40 }),
          fc.uint8Array({ maxLength: 200 }),
          fc.integer({ min: 1, max: 400 }),
          (bytes, before, after, pieceLength) => {
            const canary = formatCanary(bytes);
            const stored = Buffer.concat([
              Buffer.from([1, 2, 3]),
              spell(Buffer.concat([before, Buffer.from(canary), after])),
            ]);
            const scanner = new CanaryScanner();
            const found = new Set<string>();
            for (let at = 0; at < stored.length; at += pieceLength)
              for (const hit of scanner.push(stored.subarray(at, at + pieceLength))) found.add(hit.canary);
            expect([...found]).toContain(canary);
          },
        ),
      );
    },
  );

  it("is nothing that was cut short", () => {
    const canary = formatCanary(new Uint8Array(15).fill(7));
    expect(new CanaryScanner().push(Buffer.from(canary.slice(0, -1)))).toEqual([]);
    expect(new CanaryScanner().push(Buffer.from("rhcanary is a word"))).toEqual([]);
  });
});
