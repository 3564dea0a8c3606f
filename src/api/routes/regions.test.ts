import { beforeAll, describe, expect, it } from "vitest";
import { apiClientTest } from "../../../test/support/api-client.ts";

const api = apiClientTest();

beforeAll(async () => {
  await api.createTenant({ slug: "acme" });
});

describe("/v1/regions", () => {
  it("lists them in the config's order, with their tenants", async () => {
    const answer = await api.call<{ name: string; tenants: number }[]>("GET /v1/regions");
    expect(answer.body.map(({ name }) => name)).toEqual(["eu-west-1", "eu-central-1", "us-east-1"]);
    expect(answer.body[0]?.tenants).toBeGreaterThan(0);
    expect(answer.body[1]).toMatchObject({ status: "absent", recovery: null, zones: ["a", "b"], tenants: 0 });
  });

  it("refuses to delete one where a tenant lives", async () => {
    const answer = await api.call("DELETE /v1/regions/eu-west-1");
    expect(answer).toMatchObject({ status: 409, body: { code: "E_REGION_IN_USE" } });
    expect((await api.call("GET /v1/tenants/acme")).status).toBe(200);
  });

  it("shuts one and opens it again, and takes both twice", async () => {
    for (const [call, options, status] of [
      ["DELETE /v1/regions/eu-central-1", {}, 200],
      ["DELETE /v1/regions/eu-central-1?wait=0", {}, 202],
      ["POST /v1/regions", { body: { name: "eu-central-1" } }, 201],
      ["POST /v1/regions?wait=0", { body: { name: "eu-central-1" } }, 202],
    ] as const) {
      expect(await api.call(call, options)).toMatchObject({ status, body: { name: "eu-central-1" } });
    }
  });

  it.each([
    ["GET /v1/regions/mars-1", {}],
    ["GET /v1/regions/mars-1/events", {}],
    ["DELETE /v1/regions/mars-1", {}],
    ["POST /v1/regions", { body: { name: "mars-1" } }],
  ])("says to %s what would make it a region", async (call, options) => {
    expect(await api.call(call, options)).toMatchObject({
      status: 400,
      body: { code: "E_REGION_UNKNOWN", remedy: expect.stringContaining('"mars-1": { jurisdiction:') },
    });
  });
});
