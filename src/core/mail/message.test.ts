import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { normalizeAddress, parseMailbox } from "./message.ts";

describe("parseMailbox", () => {
  test.each([
    ["acme@bookshop.example", "", "acme@bookshop.example"],
    ["<acme@bookshop.example>", "", "acme@bookshop.example"],
    ["Acme <acme@bookshop.example>", "Acme", "acme@bookshop.example"],
    ['"Acme, Inc." <a.b+c@bookshop.example>', "Acme, Inc.", "a.b+c@bookshop.example"],
    ['"The \\"Best\\" \\\\ Shop" <a@localhost>', 'The "Best" \\ Shop', "a@localhost"],
    ["Größe & Söhne <a@xn--mnchen-3ya.example>", "Größe & Söhne", "a@xn--mnchen-3ya.example"],
  ])("reads %s", (text, name, address) => {
    expect(parseMailbox(text, "from")).toEqual({ name, address });
  });

  test("gives either one plain address or a refusal, whatever it is given", () => {
    const part = fc.oneof(fc.string(), fc.constantFrom("<", ">", "@", '"', ",", "\r\n", "a@b.c", " ", "\0"));
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), (parts) => {
        try {
          expect(parseMailbox(parts.join(""), "to").address).toMatch(/^[^\s<>,;:"()\\]+@[^\s<>,;:"()\\@]+$/);
        } catch (error) {
          expect(error).toMatchObject({ code: "E_ARGUMENT" });
        }
      }),
    );
  });
});

test("addresses are compared without case and name", () => {
  expect(normalizeAddress("Reader <READER@Reader.Example>")).toBe(normalizeAddress("reader@reader.example"));
});
