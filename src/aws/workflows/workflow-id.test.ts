import fc from "fast-check";
import { expect, test } from "vitest";
import { fromSwfId, toSwfId } from "./workflow-id.ts";

test.each([
  ["eu-west-1.0b5c", "eu-west-1.0b5c"],
  ["eu-west-1.close.learn.17", "eu-west-1.close.le_61rn.17"],
  ["a:b/c|d_e", "a_3Ab_2Fc_7Cd_5Fe"],
  ["ü\n😀", "_C3_BC_0A_F0_9F_98_80"],
])("the id %j is called %s", (id, swfId) => {
  expect(toSwfId(id)).toBe(swfId);
  expect(fromSwfId(swfId)).toBe(id);
});

test("every id can be read again, and has nothing in it that SWF forbids", () => {
  const pieces = fc.constantFrom("a", "r", "n", "arn", "_", "_61", ":", "/", "|", "\u007f", "é", "x", "😀");
  const ids = fc.array(pieces, { minLength: 1, maxLength: 20 }).map((some) => some.join(""));
  fc.assert(
    fc.property(ids, (id) => {
      const swfId = toSwfId(id);
      expect(swfId).toMatch(/^[\w.-]+$/);
      expect(swfId).not.toContain("arn");
      expect(fromSwfId(swfId)).toBe(id);
    }),
  );
});

test.each(["", "x".repeat(257), "_".repeat(86)])("refuses an id that SWF has no room for", (id) => {
  expect(() => toSwfId(id)).toThrow(expect.objectContaining({ code: "E_ARGUMENT" }));
});
