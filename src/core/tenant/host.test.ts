import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classifyHost, readHost } from "./host.ts";

const domains = ["bookshop.example", "localhost"];

describe("readHost", () => {
  it("ignores case, port and a trailing dot", () => {
    expect(readHost(["HOST", "Acme.LocalHost.:8080"], "/x?y").host).toBe("acme.localhost");
  });

  it.each([
    ["no Host", []],
    ["two Hosts", ["Host", "a.localhost", "host", "a.localhost"]],
    ["an empty Host", ["Host", ""]],
    ["a space", ["Host", "a b.localhost"]],
    ["user information", ["Host", "x@a.localhost"]],
    ["a list", ["Host", "a.localhost, b.localhost"]],
    ["a port out of form", ["Host", "a.localhost:123456"]],
  ])("refuses %s", (_, headers) => {
    expect(() => readHost(headers, "/")).toThrow(expect.objectContaining({ code: "E_HOST_INVALID" }));
  });

  it("takes an absolute URL that agrees with the Host header, and refuses one that does not", () => {
    expect(readHost(["Host", "a.localhost:1"], "http://A.localhost?q=1").path).toBe("/?q=1");
    expect(() => readHost(["Host", "a.localhost"], "http://b.localhost/")).toThrow(
      expect.objectContaining({ code: "E_REQUEST_TARGET" }),
    );
    expect(() => readHost(["Host", "a.localhost"], "*")).toThrow(
      expect.objectContaining({ code: "E_REQUEST_TARGET" }),
    );
  });

  it("never throws anything but its two refusals", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (host, target) => {
        try {
          readHost(["Host", host], target);
        } catch (error) {
          expect((error as { code: string }).code).toMatch(/^E_(HOST_INVALID|REQUEST_TARGET)$/);
        }
      }),
    );
  });
});

describe("classifyHost", () => {
  it.each([
    ["acme.localhost", { kind: "tenant", slug: "acme" }],
    ["acme.bookshop.example", { kind: "tenant", slug: "acme" }],
    ["localhost", { kind: "apex" }],
    ["bookshop.example", { kind: "apex" }],
    ["a.b.localhost", { kind: "unknown" }],
    ["127.0.0.1", { kind: "unknown" }],
    ["[::1]", { kind: "unknown" }],
    ["www.localhost", { kind: "unknown" }],
    ["evilbookshop.example", { kind: "unknown" }],
    ["acme.bookshop.example.evil.test", { kind: "unknown" }],
  ])("reads %s", (host, expected) => {
    expect(classifyHost(host, domains)).toEqual(expected);
  });
});
