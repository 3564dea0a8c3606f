import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Keys } from "./keys.ts";

/** What every engine of a region's secrets must do. */
export function keysContract(
  name: string,
  make: () => Promise<{ readonly keys: Keys; dispose(): Promise<void> }>,
): void {
  describe(`${name}: keys`, () => {
    const context = { purpose: "tenant-role", role: "t_acme_app" };
    const refused = expect.objectContaining({ code: "E_DECRYPT" });
    let keys: Keys;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ keys, dispose } = await make());
    });
    afterAll(() => dispose());

    test.each([
      ["a password", "correct horse battery staple"],
      ["nothing", ""],
      ["other scripts and zero bytes", 'Größe 🏠 \0 "x" \\ \n'],
      ["a long text", "0123456789".repeat(10_000)],
    ])("gives back %s", async (_, plaintext) => {
      expect(await keys.decrypt(await keys.encrypt(plaintext, context), context)).toBe(plaintext);
    });

    test("makes one line of printable text that does not show what it holds", async () => {
      const ciphertext = await keys.encrypt("swordfish", context);
      expect(ciphertext).toMatch(/^[\x21-\x7e]+$/);
      expect(ciphertext).not.toContain("swordfish");
      expect(Buffer.from(ciphertext, "base64").includes("swordfish")).toBe(false);
    });

    test("makes another ciphertext each time, so that equal secrets don't look equal", async () => {
      const both = await Promise.all([keys.encrypt("same", context), keys.encrypt("same", context)]);
      expect(both[0]).not.toBe(both[1]);
    });

    test("does not care for the order of the context's pairs", async () => {
      const ciphertext = await keys.encrypt("x", { a: "1", b: "2", c: "3" });
      expect(await keys.decrypt(ciphertext, { c: "3", b: "2", a: "1" })).toBe("x");
    });

    test.each([
      ["a value that differs", { purpose: "tenant-role", role: "t_other_app" }],
      ["a value that differs in case", { purpose: "tenant-role", role: "T_acme_app" }],
      ["a pair too few", { purpose: "tenant-role" }],
      ["a pair too many", { ...context, extra: "1" }],
      ["no pairs", {}],
      ["pairs that only look alike when joined", { purpose: 'tenant-role","role":"t_acme_app' }],
    ])("refuses a context with %s", async (_, other: Record<string, string>) => {
      const ciphertext = await keys.encrypt("secret", context);
      await expect(keys.decrypt(ciphertext, other)).rejects.toEqual(refused);
    });

    test("refuses a ciphertext with any character changed, or cut, or lengthened", async () => {
      const ciphertext = await keys.encrypt("secret", context);
      const changed = (at: number) => {
        const other = ciphertext[at] === "A" ? "B" : "A";
        return ciphertext.slice(0, at) + other + ciphertext.slice(at + 1);
      };
      const places = [
        0,
        1,
        4,
        ...Array.from({ length: 12 }, (_, n) => ciphertext.length - 1 - n * 5).filter((n) => n > 4),
      ];
      const broken = [
        ...places.map(changed),
        ciphertext.slice(0, -1),
        `${ciphertext}A`,
        `${ciphertext}=`,
        "",
        "x",
        "rk1.1.",
      ];
      for (const text of broken) await expect(keys.decrypt(text, context), text).rejects.toEqual(refused);
    });

    test("makes data keys of 256 bits, each once, that come back in their context only", async () => {
      const one = await keys.generateDataKey(context);
      const other = await keys.generateDataKey(context);
      expect(one.plaintext).toHaveLength(32);
      expect(one.plaintext).not.toEqual(other.plaintext);
      expect(new Uint8Array(await keys.decryptDataKey(one.ciphertext, context))).toEqual(
        new Uint8Array(one.plaintext),
      );
      await expect(keys.decryptDataKey(one.ciphertext, { ...context, role: "other" })).rejects.toEqual(
        refused,
      );
      await expect(keys.decryptDataKey("nonsense", context)).rejects.toEqual(refused);
    });

    test("reads after a rotation what was written before it, and what is written since", async () => {
      const before = await keys.encrypt("before", context);
      const dataKey = await keys.generateDataKey(context);
      await keys.rotate();
      const after = await keys.encrypt("after", context);
      expect(await keys.decrypt(before, context)).toBe("before");
      expect(await keys.decrypt(after, context)).toBe("after");
      expect(new Uint8Array(await keys.decryptDataKey(dataKey.ciphertext, context))).toEqual(
        new Uint8Array(dataKey.plaintext),
      );
    });
  });
}
