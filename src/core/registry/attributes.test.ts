import { expect, test } from "vitest";
import { checkNamedAttributes, checkRegistryWrite, registryLimits } from "./attributes.ts";

const refused = expect.objectContaining({ code: "E_ARGUMENT" });

test.each([
  ["keys of the longest kind", "d".repeat(2048), "n".repeat(1024), {}],
  ["keys that are not ASCII", "ü".repeat(1024), "ü".repeat(512), {}],
  ["the ends of the numbers", "d", "n", { a: 9.9e125, b: -9.9e125, c: 1e-130, d: 0, e: -0 }],
  ["removals", "d", "n", { a: null }],
  ["as much as fits", "d", "n", { a: "x".repeat(registryLimits.attributesBytes - '{"a":""}'.length) }],
] as const)("takes %s", (_, domain, name, attributes) => {
  expect(() => checkRegistryWrite(domain, name, attributes)).not.toThrow();
});

test.each([
  ["a domain that is too long", "d".repeat(2049), "n", {}],
  ["a name whose bytes are too many", "d", "ü".repeat(513), {}],
  ["a name with half a character", "d", "\udc00", {}],
  ["an attribute's name with a zero character", "d", "n", { "a\0": 1 }],
  ["a number beyond the largest", "d", "n", { a: -1e126 }],
  ["a number below the smallest", "d", "n", { a: Number.MIN_VALUE }],
  ["one byte too many", "d", "n", { a: "x".repeat(registryLimits.attributesBytes - '{"a":""}'.length + 1) }],
] as const)("refuses %s", (_, domain, name, attributes) => {
  expect(() => checkRegistryWrite(domain, name, attributes)).toThrow(refused);
});

test("counts the attributes that are named at once", () => {
  const named = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]));
  expect(() => checkNamedAttributes(named(registryLimits.namedAttributes))).not.toThrow();
  expect(() => checkNamedAttributes(named(registryLimits.namedAttributes + 1))).toThrow(refused);
});
