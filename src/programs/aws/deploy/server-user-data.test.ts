import { expect, it } from "vitest";
import { parse } from "yaml";
import { exampleConfig } from "../../../../test/support/aws/example-templates.ts";
import { serverUserData } from "./server-user-data.ts";

const software = {
  node: { version: "26.0.0", sha256: { arm64: "0".repeat(64) } },
  rowhouse: { version: "0.0.0", sha256: "0".repeat(64) },
};
const place = { region: "eu-west-1", prefix: "shop", bucket: "shop-eu-west-1" };

it("has Chef converge the servers of a fleet that names a run list, and no others", () => {
  const config = exampleConfig(1);
  const fleets = {
    ...config.fleets,
    app: { ...config.fleets.app, chef: { runList: ["recipe[hardening]"] } },
  };
  const cloudConfig = (program: "app" | "worker" | "controller") =>
    parse(serverUserData({ fleets }, { ...place, program }, software)) as { chef?: { run_list: string[] } };
  expect(cloudConfig("app").chef?.run_list).toEqual(["recipe[hardening]"]);
  expect(cloudConfig("worker").chef).toBeUndefined();
  expect(cloudConfig("controller").chef).toBeUndefined();
});
