import { describe, expect, it } from "vitest";
import { defineApp, readApplication } from "./application.ts";

const refusal = (text: RegExp) =>
  expect.objectContaining({ code: "E_APP_INVALID", message: expect.stringMatching(text) });
const fetch = () => new Response();

describe("defineApp", () => {
  it("keeps what it was given, frozen", () => {
    const run = () => {};
    const app = defineApp({
      name: "shop",
      fetch,
      migrations: "./migrations",
      jobs: { nightly: { schedule: "daily 03:00", run } },
    });
    expect(app).toMatchObject({
      name: "shop",
      handler: { style: "fetch", fetch },
      migrations: "./migrations",
      assets: null,
      seed: null,
    });
    expect(app.jobs).toEqual({ nightly: { schedule: "daily 03:00", run } });
    expect(Object.isFrozen(app)).toBe(true);
    expect(readApplication({ default: app })).toBe(app);
  });

  it.each([
    ["nothing", undefined, /no object/],
    ["no name", { fetch }, /no `name`/],
    ["a name with a space", { name: "my shop", fetch }, /no `name`/],
    ["no handler", { name: "shop" }, /exactly one of `fetch` and `node`/],
    ["two handlers", { name: "shop", fetch, node: fetch }, /exactly one of `fetch` and `node`/],
    ["a handler that is no function", { name: "shop", fetch: "x" }, /a `fetch` that is no function/],
    ["migrations that are no path", { name: "shop", fetch, migrations: 1 }, /a `migrations` that is no path/],
    ["an unknown key", { name: "shop", fetch, migration: "x" }, /the unknown key `migration`/],
    [
      "a job without a schedule",
      { name: "shop", fetch, jobs: { nightly: { run: fetch } } },
      /a job `nightly` without/,
    ],
    ["a list of jobs", { name: "shop", fetch, jobs: [] }, /`jobs` that are no object/],
  ])("refuses %s", (_, definition, text) => {
    expect(() => defineApp(definition as never)).toThrow(refusal(text));
  });
});

describe("readApplication", () => {
  it.each([undefined, null, {}, { default: null }, { default: { name: "shop", fetch } }])(
    "refuses %j",
    (module) => {
      expect(() => readApplication(module)).toThrow(expect.objectContaining({ code: "E_APP_INVALID" }));
    },
  );
});
