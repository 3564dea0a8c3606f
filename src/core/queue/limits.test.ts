import { expect, test } from "vitest";
import { checkMessageBody, checkQueueName, checkRange } from "./limits.ts";

const refused = expect.objectContaining({ code: "E_ARGUMENT" });

test.each(["a", "dead", "jobs_eu-west-1", "x".repeat(80)])("takes the queue name %s", (name) => {
  expect(() => checkQueueName(name)).not.toThrow();
});

test.each(["", "x".repeat(81), "a.fifo", "a b", "ü", "a\n", "jobs-dead"])(
  "refuses the queue name %j",
  (name) => {
    expect(() => checkQueueName(name)).toThrow(refused);
  },
);

test.each(["a", "tab\tline\nreturn\r", "ü🏠", "x".repeat(262_144), "ü".repeat(131_072)])(
  "takes a body",
  (body) => {
    expect(() => checkMessageBody(body)).not.toThrow();
  },
);

test.each(["", "x".repeat(262_145), "ü".repeat(131_073), "a\u0000", "\u001f", "\uffff", "\ud800"])(
  "refuses a body",
  (body) => {
    expect(() => checkMessageBody(body)).toThrow(refused);
  },
);

test("takes the ends of a range and nothing beyond, nor what is no number", () => {
  for (const value of [0, 0.5, 10]) expect(() => checkRange("max", value, 0, 10)).not.toThrow();
  for (const value of [-1, 10.1, Number.NaN]) expect(() => checkRange("max", value, 0, 10)).toThrow(refused);
});
