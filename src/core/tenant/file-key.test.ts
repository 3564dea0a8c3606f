import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fileKey, filesKeyPrefix, filesPrefix } from "./file-key.ts";

const refusal = expect.objectContaining({ code: "E_OBJECT_KEY" });

describe("fileKey", () => {
  it("puts a key under the tenant's prefix", () => {
    expect(fileKey("acme", "covers/1.png")).toBe("tenants/acme/files/covers/1.png");
    expect(fileKey("acme", "..hidden/a..b")).toBe("tenants/acme/files/..hidden/a..b");
  });

  it.each([
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "../x",
    "a/../../x",
    "a/./b",
    "a\\..\\b",
    "a\0b",
    "a\nb",
    "x".repeat(500),
    "\ud800",
  ])("refuses %j", (key) => {
    expect(() => fileKey("acme", key)).toThrow(refusal);
  });

  it("never names anything outside the prefix, however the path is resolved", () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom("a", ".", "/", "\\", "%2e", "é") }), (key) => {
        let full: string;
        try {
          full = fileKey("acme", key);
        } catch {
          return;
        }
        expect(decodeURI(new URL(`http://h/${encodeURI(full)}`).pathname)).toBe(`/${full}`);
        expect(full.startsWith(filesPrefix("acme"))).toBe(true);
      }),
    );
  });
});

describe("filesKeyPrefix", () => {
  it("may be empty or end in a slash, and can't leave either", () => {
    expect(filesKeyPrefix("acme", "")).toBe("tenants/acme/files/");
    expect(filesKeyPrefix("acme", "covers/")).toBe("tenants/acme/files/covers/");
    expect(() => filesKeyPrefix("acme", "../")).toThrow(refusal);
  });
});
