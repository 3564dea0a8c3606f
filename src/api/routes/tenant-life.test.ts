import { describe, expect, it } from "vitest";
import { apiClientTest } from "../../../test/support/api-client.ts";

const api = apiClientTest();

describe("a tenant's life", () => {
  it("suspends and resumes, and repeats without harm", async () => {
    const slug = await api.createTenant();
    for (const [verb, state] of Object.entries({ suspend: "suspended", resume: "active" })) {
      for (let i = 0; i < 2; i++) {
        expect(await api.call(`POST /v1/tenants/${slug}/${verb}`)).toMatchObject({
          status: 200,
          body: { slug, state },
        });
      }
    }
  });

  it("closes, and waits for the end", async () => {
    const slug = await api.createTenant();
    const answer = await api.call(`POST /v1/tenants/${slug}/close`);
    expect(answer).toMatchObject({
      status: 200,
      body: { slug, state: "closed", name: null, certificate: { slug, askedBy: "first" } },
    });
    expect(await api.call(`GET /v1/tenants/${slug}/certificate`)).toMatchObject({
      status: 200,
      body: { slug, genuine: true, export: { kept: false } },
    });
    expect(await api.call(`POST /v1/tenants/${slug}/resume`)).toMatchObject({
      status: 409,
      body: { code: "E_TENANT_STATE" },
    });
  });

  it("moves, by its operator's name in the audit trail", async () => {
    const slug = await api.createTenant();
    const body = { region: "us-east-1", consent: "contract 7" };
    const begun = await api.call(`POST /v1/tenants/${slug}/move`, { body });
    expect(begun).toMatchObject({ status: 202, body: { slug, state: "completed" } });
    expect(begun.headers.get("location")).toBe(`/v1/moves/${begun.body.id}`);
    for (const query of ["", "?seen=0"]) {
      expect(await api.call(`GET /v1/moves/${begun.body.id}${query}`)).toMatchObject({
        status: 200,
        body: { slug, result: { from: "eu-west-1", to: "us-east-1" } },
      });
    }
    expect(await api.call(`GET /v1/audit?tenant=${slug}`)).toMatchObject({
      status: 200,
      body: [{ tenant: slug, actor: "first", action: "move", details: { consent: "contract 7" } }],
    });
    expect(await api.call(`GET /v1/audit?tenant=${slug}&region=us-east-1`)).toMatchObject({ body: [] });
  });

  it("answers with what a move did, when asked to wait", async () => {
    const slug = await api.createTenant();
    const answer = await api.call(`POST /v1/tenants/${slug}/move?wait=1`, { body: { plan: "business" } });
    expect(answer).toMatchObject({
      status: 200,
      body: { slug, from: "starter", to: "business", isolation: { from: "schema", to: "database" } },
    });
  });

  it.each([
    ["the same place", {}, 409, "E_MOVE_SAME"],
    ["an empty consent", { consent: " " }, 400, "E_ARGUMENT"],
    ["a word that is unknown", { regoin: "us-east-1" }, 400, "E_ARGUMENT"],
  ])("is not moved to %s", async (_, body, status, code) => {
    const slug = await api.createTenant();
    expect(await api.call(`POST /v1/tenants/${slug}/move`, { body })).toMatchObject({
      status,
      body: { code },
    });
  });

  it("knows no move of another name", async () => {
    for (const id of ["eu-west-1.move.nothing", "mars-1.move.x", "x"])
      expect(await api.call(`GET /v1/moves/${id}`)).toMatchObject({
        status: 404,
        body: { code: "E_NOT_FOUND" },
      });
  });

  it("has no certificate of a tenant that is not closed", async () => {
    const slug = await api.createTenant();
    expect(await api.call(`GET /v1/tenants/${slug}/certificate`)).toMatchObject({
      status: 404,
      body: { code: "E_NOT_FOUND", detail: expect.stringContaining("active") },
    });
    expect(await api.call("GET /v1/tenants/nobody/certificate")).toMatchObject({ status: 404 });
  });

  it("answers while it closes when told not to wait", async () => {
    const slug = await api.createTenant();
    let end = () => {};
    api.ireland.beforeEndOfClose = new Promise((resolve) => {
      end = resolve;
    });
    const answer = await api.call(`POST /v1/tenants/${slug}/close?wait=0`);
    expect(answer).toMatchObject({ status: 202, body: { slug, state: "closing" } });
    end();
    await expect.poll(async () => (await api.directory.find(slug))?.state).toBe("closed");
  });

  it.each(["suspend", "resume", "close"])("answers 404 to %s of an unknown one", async (verb) => {
    const answer = await api.call(`POST /v1/tenants/nobody/${verb}`);
    expect(answer).toMatchObject({ status: 404, body: { code: "E_TENANT_NOT_FOUND" } });
  });
});

describe("POST /v1/residency-checks", () => {
  it("is well when each region sees its own tenant's data alone, and leaves no tenant", async () => {
    const { status, body } = await api.call("POST /v1/residency-checks");
    expect([status, body]).toMatchObject([200, { ok: true, findings: [] }]);
    const { tenants } = body as { tenants: { slug: string; region: string; unseen: string[] }[] };
    expect(tenants.map(({ region, unseen }) => [region, unseen])).toEqual([
      ["eu-west-1", []],
      ["us-east-1", []],
    ]);
    for (const { slug } of tenants) expect((await api.directory.find(slug))?.state).toBe("closed");
  });

  it("names what one region sees of another's, and closes its tenants then too", async () => {
    api.ireland.leaks = true;
    const { body } = await api.call("POST /v1/residency-checks");
    api.ireland.leaks = false;
    expect(body).toMatchObject({ ok: false });
    const { findings } = body as {
      findings: { kind: string; from: string; foundIn: string; slug: string }[];
    };
    expect(new Set(findings.map(({ from, foundIn }) => `${from} in ${foundIn}`))).toEqual(
      new Set(["us-east-1 in eu-west-1"]),
    );
    expect((await api.directory.find(findings[0]!.slug))?.state).toBe("closed");
  });

  it("writes into an active tenant only", async () => {
    const slug = await api.createTenant();
    expect(await api.call(`POST /v1/residency-checks?tenant=${slug}`)).toMatchObject({
      status: 200,
      body: { ok: true, tenants: [{ slug }] },
    });
    expect((await api.directory.find(slug))?.state).toBe("active");
    await api.call(`POST /v1/tenants/${slug}/suspend`);
    expect(await api.call(`POST /v1/residency-checks?tenant=${slug}`)).toMatchObject({
      status: 409,
      body: { code: "E_TENANT_STATE" },
    });
    expect(await api.call("POST /v1/residency-checks?tenant=nobody")).toMatchObject({ status: 404 });
  });
});
