import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { Seal } from "./seal.ts";

const seal = new Seal(randomBytes(32));
const refused = expect.objectContaining({ code: "E_DECRYPT" });

test("opens what it closed, and says nothing meanwhile", () => {
  const value = { name: "Ada & Söhne", list: [1.5, null, "\u0000"] };
  const text = seal.close(value, "0 run one");
  expect(seal.open(text, "0 run one")).toEqual(value);
  expect(Buffer.from(text, "base64").toString("latin1")).not.toContain("Ada");
  expect(seal.close(value, "0 run one")).not.toBe(text);
});

test("makes a long text that repeats itself short", () => {
  expect(seal.close("a line as the one before\n".repeat(10_000), "input").length).toBeLessThan(2000);
});

test("refuses another place, another key, a changed text and none", () => {
  const text = seal.close("secret", "0 run one");
  const changed = Buffer.from(text, "base64");
  changed[changed.length - 1]! ^= 1;
  expect(() => seal.open(text, "1 run one")).toThrow(refused);
  expect(() => new Seal(randomBytes(32)).open(text, "0 run one")).toThrow(refused);
  expect(() => seal.open(changed.toString("base64"), "0 run one")).toThrow(refused);
  expect(() => seal.open("", "0 run one")).toThrow(refused);
});
