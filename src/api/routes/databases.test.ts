import { describe, expect, it } from "vitest";
import { apiClientTest } from "../../../test/support/api-client.ts";
import type { DatabaseDocument } from "../../control/database/servers.ts";

const api = apiClientTest();

const list = async () => (await api.call<DatabaseDocument[]>("GET /v1/databases")).body;

describe("/v1/databases", () => {
  it("lists the servers of all regions, with their standbys", async () => {
    const servers = await list();
    expect(servers.map(({ region, name }) => `${region}/${name}`)).toEqual([
      "eu-west-1/shared-1",
      "us-east-1/shared-1",
    ]);
    expect(servers[0]).toMatchObject({
      inSync: true,
      primary: { zone: "a" },
      standby: { zone: "b", lagBytes: 0 },
    });
  });

  it("makes a standby the primary, of that server alone", async () => {
    expect(await api.call("POST /v1/databases/eu-west-1/shared-1/fail-over")).toMatchObject({
      status: 200,
      body: {
        server: "shared-1",
        region: "eu-west-1",
        from: { zone: "a" },
        to: { zone: "b" },
        durationMs: expect.any(Number),
      },
    });
    expect((await list()).map(({ primary }) => primary?.zone)).toEqual(["b", "a"]);
  });

  it.each(["eu-west-1/other", "mars-1/shared-1", "global/directory"])(
    "knows no server %s",
    async (server) => {
      const answer = await api.call(`POST /v1/databases/${server}/fail-over`);
      expect(answer).toMatchObject({ status: 404, body: { code: "E_NOT_FOUND" } });
    },
  );

  it("lists the others when a region gives no answer", async () => {
    api.ireland.down = true;
    expect((await list()).map(({ region: name }) => name)).toEqual(["us-east-1"]);
  });
});
