import { readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { renderErrors } from "../../docs/generate-errors.ts";

it("docs/errors.md says what the code says; `npm run docs:errors` makes it so", async () => {
  expect(await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8")).toBe(renderErrors());
});
