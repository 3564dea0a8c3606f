import { join } from "node:path";
import { expect, it } from "vitest";
import application from "../../test/support/testing-application/app.ts";
import * as frameworks from "../../test/support/testing-application/frameworks.ts";

const folder = join(import.meta.dirname, "../../test/support/testing-application");

it("is that of the module that declares the application", () => {
  expect(application.folder).toBe(folder);
});

it.each(Object.entries(frameworks))("is seen through a framework's wrapper (%s)", (_name, wrapped) => {
  expect(wrapped.folder).toBe(folder);
});
