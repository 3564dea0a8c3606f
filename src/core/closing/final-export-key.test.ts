import { expect, test } from "vitest";
import { finalExportEnd, finalExportKey } from "./final-export-key.ts";

test("a last export's key says when it is to go", () => {
  const until = new Date("2027-02-03T04:05:06.789Z");
  const key = finalExportKey("acme", until);
  expect(key).toBe(`closed/acme/${until.getTime()}/archive`);
  expect(finalExportEnd(key)).toEqual(until);
});

test.each([
  "closed/acme/archive",
  "closed/acme/1/archive/",
  "closed/acme/x/archive",
  "backups/acme/1/archive",
])("%s is no last export's key", (key) => expect(finalExportEnd(key)).toBeUndefined());
