import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isPrivatePath } from "./private-path.ts";

describe("isPrivatePath", () => {
  it.each([
    "/_rowhouse/balancer",
    "/_rowhouse/balancer/targets?x=1",
    "/_rowhouse/internal/drain",
    "/_ROWHOUSE/Internal/x",
    "//_rowhouse/internal",
    "/_rowhouse//internal",
    "/_rowhouse/%69nternal",
    "/%5frowhouse/balancer",
    "/_rowhouse%2finternal",
    "/_rowhouse/%2569nternal",
    "/x/../_rowhouse/internal",
    "/x/%2e%2e/_rowhouse/internal",
    "/_rowhouse/health/../internal",
    "/_rowhouse//../internal",
    "/_rowhouse\\internal",
    "/_rowhouse/internal;x=1",
    "/x/..;/_rowhouse/internal",
    "/_rowhouse/internal%3fx",
    "/_rowhouse/./internal",
    "/_rowhouse/%25252525252569nternal",
  ])("refuses %s", (path) => expect(isPrivatePath(path)).toBe(true));

  it.each([
    "/",
    "/_rowhouse/health",
    "/_rowhouse/files/internal/report_2026.pdf",
    "/_rowhouse/files/acme%20report%2Finternal.pdf",
    "/books/_rowhouse/internal",
    "/a_b/../c",
    "/search?next=/_rowhouse/internal",
    "/_rowhouse/internals",
    "/100%_done",
  ])("passes %s", (path) => expect(isPrivatePath(path)).toBe(false));

  it("sees through any path that the URL standard reads as private", () => {
    const piece = fc.constantFrom(
      "/",
      "_rowhouse",
      "internal",
      "balancer",
      "..",
      ".",
      "%2e",
      "\\",
      "x",
      "?",
      ";",
      "%2F",
      "#",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 9 }), (pieces) => {
        const path = `/${pieces.join("")}`;
        const read = decodeURIComponent(new URL(`http://host${path}`).pathname);
        if (/^\/+_rowhouse\/+(internal|balancer)(\/|$)/.test(read)) expect(isPrivatePath(path)).toBe(true);
      }),
      { numRuns: 20_000 },
    );
  });
});
