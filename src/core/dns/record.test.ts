import { describe, expect, test } from "vitest";
import { canonicalName, checkRecord, type DnsRecord, isWithin } from "./record.ts";

const zone = "shop.example";
const base: DnsRecord = { name: "acme.shop.example", type: "A", ttlSeconds: 60, values: ["192.0.2.1"] };

test("a canonical name has small letters and no last dot; other scripts are left alone", () => {
  expect(canonicalName("AcMe.Shop.EXAMPLE.")).toBe("acme.shop.example");
  expect(canonicalName("\u212Aelvin.É")).toBe("\u212Aelvin.É");
});

test("the zone holds its apex and what is below, not what merely ends alike", () => {
  expect(isWithin(zone, zone)).toBe(true);
  expect(isWithin(zone, "a.b.shop.example")).toBe(true);
  expect(isWithin(zone, "workshop.example")).toBe(false);
  expect(isWithin(zone, "example")).toBe(false);
});

describe("checkRecord", () => {
  test.each<Partial<DnsRecord>>([
    {},
    { name: "shop.example" },
    { name: "*.shop.example" },
    { name: "*.eu.shop.example" },
    { name: "_acme-challenge.acme.shop.example", type: "TXT", values: ["token", "x".repeat(4000)] },
    { type: "AAAA", values: ["2001:db8::1", "::ffff:192.0.2.1", "::"] },
    { type: "CNAME", values: ["elsewhere.example.net"] },
    { ttlSeconds: 0 },
    { ttlSeconds: 2 ** 31 - 1 },
    { name: `${"a".repeat(63)}.shop.example` },
  ])("takes %j", (part) => {
    expect(checkRecord({ ...base, ...part }, zone)).toEqual({ ...base, ...part });
  });

  test("spells names in the canonical way", () => {
    const record = checkRecord(
      { ...base, name: "ACME.shop.Example.", type: "CNAME", values: ["Host.Example."] },
      zone,
    );
    expect(record).toMatchObject({ name: "acme.shop.example", values: ["host.example"] });
  });

  test.each<Partial<DnsRecord>>([
    { name: "acme.example" },
    { name: "" },
    { name: "a..shop.example" },
    { name: "-a.shop.example" },
    { name: "a b.shop.example" },
    { name: "a.*.shop.example" },
    { name: "a*.shop.example" },
    { name: `${"a".repeat(64)}.shop.example` },
    { name: `${"a.".repeat(130)}shop.example` },
    { values: [] },
    { values: ["192.0.2.1", "192.0.2.1"] },
    { values: ["192.0.2.256"] },
    { values: ["2001:db8::1"] },
    { type: "AAAA", values: ["192.0.2.1"] },
    { type: "AAAA", values: ["fe80::1%eth0"] },
    { type: "CNAME", values: ["a.example", "b.example"] },
    { type: "CNAME", values: ["192.0.2.1 "] },
    { type: "CNAME", name: "shop.example", values: ["a.example"] },
    { type: "TXT", values: [""] },
    { type: "TXT", values: ["ü".repeat(2001)] },
    { ttlSeconds: -1 },
    { ttlSeconds: 1.5 },
    { ttlSeconds: 2 ** 31 },
  ])("refuses %j", (part) => {
    expect(() => checkRecord({ ...base, ...part }, zone)).toThrow(
      expect.objectContaining({ code: "E_ARGUMENT" }),
    );
  });
});
