import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DnsRecord, isWithin } from "./record.ts";
import { buildZone, lookup } from "./zone.ts";

const options = {
  apex: "shop.example",
  nameServers: [{ name: "ns1.shop.example", addresses: ["192.0.2.53", "2001:db8::53"] }],
  serial: 7,
  negativeTtlSeconds: 60,
};
const record = (name: string, type: DnsRecord["type"], ...values: string[]): DnsRecord => ({
  name,
  type,
  ttlSeconds: 60,
  values,
});

/** The zone of RFC 4592, section 2.2.1, with the types that there are here. */
const wildcards = buildZone(
  [
    record("*.shop.example", "TXT", "this is a wildcard"),
    record("*.shop.example", "A", "192.0.2.1"),
    record("sub.*.shop.example", "TXT", "this is not a wildcard"),
    record("host1.shop.example", "A", "192.0.2.2"),
    record("_ssh._tcp.host1.shop.example", "TXT", "service"),
    record("alias.shop.example", "CNAME", "host1.shop.example"),
    record("chain.shop.example", "CNAME", "alias.shop.example"),
    record("away.shop.example", "CNAME", "host.elsewhere.example"),
    record("towild.shop.example", "CNAME", "anything.shop.example"),
    record("todead.shop.example", "CNAME", "nothing.host1.shop.example"),
    record("loop1.shop.example", "CNAME", "loop2.shop.example"),
    record("loop2.shop.example", "CNAME", "loop1.shop.example"),
    record("*.cname.shop.example", "CNAME", "host1.shop.example"),
  ],
  options,
);

describe("lookup", () => {
  test.each<[name: string, type: string, outcome: string, answers: string[]]>([
    ["host1.shop.example", "A", "found", ["host1.shop.example A 192.0.2.2"]],
    ["host1.shop.example", "AAAA", "empty", []],
    // The examples of RFC 4592, section 2.2.1.
    ["host3.shop.example", "TXT", "found", ["host3.shop.example TXT this is a wildcard"]],
    ["foo.bar.shop.example", "TXT", "found", ["foo.bar.shop.example TXT this is a wildcard"]],
    ["host1.shop.example", "TXT", "empty", []],
    ["sub.*.shop.example", "A", "empty", []],
    ["_telnet._tcp.host1.shop.example", "TXT", "absent", []],
    ["_tcp.host1.shop.example", "A", "empty", []],
    ["ghost.*.shop.example", "A", "absent", []],
    ["*.shop.example", "A", "found", ["*.shop.example A 192.0.2.1"]],
    // Aliases.
    [
      "chain.shop.example",
      "A",
      "found",
      [
        "chain.shop.example CNAME alias.shop.example",
        "alias.shop.example CNAME host1.shop.example",
        "host1.shop.example A 192.0.2.2",
      ],
    ],
    ["alias.shop.example", "CNAME", "found", ["alias.shop.example CNAME host1.shop.example"]],
    ["alias.shop.example", "AAAA", "empty", ["alias.shop.example CNAME host1.shop.example"]],
    ["away.shop.example", "A", "found", ["away.shop.example CNAME host.elsewhere.example"]],
    [
      "towild.shop.example",
      "A",
      "found",
      ["towild.shop.example CNAME anything.shop.example", "anything.shop.example A 192.0.2.1"],
    ],
    ["todead.shop.example", "A", "absent", ["todead.shop.example CNAME nothing.host1.shop.example"]],
    [
      "loop1.shop.example",
      "A",
      "found",
      ["loop1.shop.example CNAME loop2.shop.example", "loop2.shop.example CNAME loop1.shop.example"],
    ],
    [
      "a.b.cname.shop.example",
      "A",
      "found",
      ["a.b.cname.shop.example CNAME host1.shop.example", "host1.shop.example A 192.0.2.2"],
    ],
    ["cname.shop.example", "A", "empty", []],
    // The zone itself.
    [
      "shop.example",
      "SOA",
      "found",
      ["shop.example SOA ns1.shop.example hostmaster.shop.example 7 3600 600 604800 60"],
    ],
    ["shop.example", "NS", "found", ["shop.example NS ns1.shop.example"]],
    ["shop.example", "A", "empty", []],
    ["ns1.shop.example", "AAAA", "found", ["ns1.shop.example AAAA 2001:db8::53"]],
    ["example", "A", "outside", []],
    ["workshop.example", "A", "outside", []],
  ])("of %s %s is %s", (name, type, outcome, answers) => {
    const found = lookup(wildcards, name, type);
    expect(found.outcome).toBe(outcome);
    expect(found.answers.map((set) => `${set.name} ${set.type} ${set.values.join(",")}`)).toEqual(answers);
  });
});

test("records outside the zone are left out", () => {
  const zone = buildZone([record("acme.other.example", "A", "192.0.2.1")], options);
  expect([...zone.names.keys()].every((name) => isWithin("shop.example", name))).toBe(true);
});

/** Names of few labels, so that they meet: below, beside and under each other, wildcards included. */
const names = fc
  .array(fc.constantFrom("a", "b", "*"), { minLength: 1, maxLength: 4 })
  .map((labels) => [...labels, "shop.example"].join("."));
const addresses = fc.uniqueArray(names).map((list) => list.map((name) => record(name, "A", "192.0.2.1")));

describe("in any zone of addresses", () => {
  test("a lookup follows the definition of RFC 4592", () => {
    fc.assert(
      fc.property(addresses, names, (records, asked) => {
        const zone = buildZone(records, options);
        const exists = (name: string) =>
          name === "shop.example" ||
          records.some((r) => isWithin(name, r.name)) ||
          name === "ns1.shop.example";
        const owns = (name: string) => records.some((r) => r.name === name);
        const { outcome } = lookup(zone, asked, "A");
        if (exists(asked)) {
          expect(outcome).toBe(owns(asked) ? "found" : "empty");
          return;
        }
        const ancestors = asked.split(".").map((_, index, labels) => labels.slice(index).join("."));
        const source = `*.${ancestors.find(exists)}`;
        expect(outcome).toBe(owns(source) ? "found" : exists(source) ? "empty" : "absent");
      }),
    );
  });

  test("aliases of any shape come to an end", () => {
    const aliases = fc.uniqueArray(fc.tuple(names, names), { selector: ([name]) => name });
    fc.assert(
      fc.property(aliases, names, (pairs, asked) => {
        const zone = buildZone(
          pairs.map(([name, target]) => record(name, "CNAME", target)),
          options,
        );
        expect(lookup(zone, asked, "A").answers.length).toBeLessThanOrEqual(8);
      }),
    );
  });
});
