import { expect, it } from "vitest";
import { checkServerName, isServerName } from "./server-name.ts";

it.each(["shared-1", "tenant-0123456789abcdef", "a", "a".repeat(40)])("takes %j", (name) => {
  expect(checkServerName(name)).toBe(name);
});

it.each(["", "../other", "a/b", "Upper", "1st", "-a", "a-", "a--b", "a_b", "ä", "a\n", "a".repeat(41)])(
  "refuses %j",
  (name) => {
    expect(isServerName(name)).toBe(false);
    expect(() => checkServerName(name)).toThrow(expect.objectContaining({ code: "E_ARGUMENT" }));
  },
);
