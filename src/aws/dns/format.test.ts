import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromRoute53Name, fromRoute53Value, toRoute53Value } from "./format.ts";

describe("texts", () => {
  test("come back as they were, whatever is in them", () => {
    // Long enough that characters of several bytes lie across the border of two strings.
    const characters = fc.array(
      fc.nat(0x10ffff).filter((code) => code < 0xd800 || code > 0xdfff),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(fc.nat(520), characters, (length, codes) => {
        const text = "x".repeat(length) + String.fromCodePoint(...codes);
        const value = toRoute53Value("TXT", text);
        expect(value).toMatch(/^"[ -~]*"$/);
        expect(fromRoute53Value("TXT", value)).toBe(text);
      }),
    );
  });

  test.each([
    ["plain", '"plain"'],
    ['say "hello" \\', '"say \\"hello\\" \\\\"'],
    ["ü\n", '"\\303\\274\\012"'],
    ["x".repeat(300), `"${"x".repeat(255)}" "${"x".repeat(45)}"`],
  ])("%j is written %s", (text, value) => {
    expect(toRoute53Value("TXT", text)).toBe(value);
  });

  test.each([
    ['"one" "two"', "onetwo"],
    ['"one""two"', "onetwo"],
    ["unquoted", "unquoted"],
    ['"kept \\065"', "kept 5"],
  ])("%s, which others may have written, is read %j", (value, text) => {
    expect(fromRoute53Value("TXT", value)).toBe(text);
  });
});

test.each([
  ["\\052.shop.example.", "*.shop.example"],
  ["acme.shop.example.", "acme.shop.example"],
  ["a\\.b.shop.example.", "a.b.shop.example"],
  ["_acme\\055challenge.shop.example", "_acme-challenge.shop.example"],
])("the name %s is %s", (name, plain) => {
  expect(fromRoute53Name(name)).toBe(plain);
});
