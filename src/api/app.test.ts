import { describe, expect, it } from "vitest";
import { operatorToken } from "../../test/support/api.ts";
import { apiClientTest, signup } from "../../test/support/api-client.ts";

const api = apiClientTest();

describe("tokens", () => {
  it("refuses a request without one, naming the scheme", async () => {
    const answer = await api.call("GET /v1/tenants", { token: null });
    expect(answer).toMatchObject({ status: 401, body: { code: "E_UNAUTHORIZED" } });
    expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="rowhouse"');
  });

  it.each(["wrong", `${operatorToken}x`, operatorToken.slice(1)])("refuses %s", async (token) => {
    const answer = await api.call("GET /v1/tenants", { token });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
  });

  it("serves its own description to anyone", async () => {
    const response = await api.request("/v1/openapi.json");
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ openapi: "3.1.0", info: { version: "0.0.0-test" } });
  });

  it("asks for one before it says what there is", async () => {
    const response = await api.request("/v1/nothing");
    expect(response.status).toBe(401);
  });
});

describe("POST /v1/tenants", () => {
  it("answers with the sign-up's id while it runs, and where to look on", async () => {
    api.ireland.signups.automatic = false;
    const body = signup();
    const answer = await api.call("POST /v1/tenants", { body });
    expect(answer).toMatchObject({ status: 202, body: { slug: body.slug, state: "running" } });
    expect(answer.body.id).toMatch(/^eu-west-1\./);
    expect(answer.headers.get("location")).toBe(`/v1/signups/${answer.body.id}`);
    const status = await api.call(`GET /v1/signups/${answer.body.id}`);
    expect(status).toMatchObject({ status: 200, body: { state: "running" } });
  });

  it("waits for the tenant on request", async () => {
    const body = signup({ plan: "business" });
    const answer = await api.call("POST /v1/tenants?wait=1", { body });
    expect(answer).toMatchObject({
      status: 201,
      body: {
        slug: body.slug,
        name: body.name,
        region: "eu-west-1",
        plan: "business",
        isolation: "database",
        state: "active",
        schemaVersion: 1,
        url: `http://${body.slug}.localhost:8080/`,
      },
    });
    expect(answer.body.durationMs).toBeGreaterThanOrEqual(0);
    expect(answer.headers.get("location")).toBe(`/v1/tenants/${body.slug}`);
  });

  it("tells why a sign-up failed, and frees the slug", async () => {
    api.ireland.signups.failingStep = "migrate";
    const body = signup();
    const answer = await api.call("POST /v1/tenants?wait=1", { body });
    expect(answer).toMatchObject({
      status: 500,
      body: { code: "E_SIGNUP_FAILED", detail: "Setting up the tables failed: the disk is on fire." },
    });
    api.ireland.signups.failingStep = undefined;
    expect(await api.call("POST /v1/tenants?wait=1", { body })).toMatchObject({ status: 201 });
  });

  it("goes on waiting while the region's controller is away in between", async () => {
    api.ireland.signups.automatic = false;
    const body = signup();
    const { id } = (await api.call("POST /v1/tenants", { body, headers: { "idempotency-key": "away" } }))
      .body;
    const waiting = api.call("POST /v1/tenants?wait=1", { body, headers: { "idempotency-key": "away" } });
    await expect.poll(() => api.ireland.signups.waiting).toBe(1);
    api.ireland.down = true;
    await api.ireland.signups.step(String(id));
    api.ireland.down = false;
    while ((await api.ireland.signup({ id: String(id) }))?.state === "running")
      await api.ireland.signups.step(String(id));
    expect(await waiting).toMatchObject({ status: 201, body: { state: "active" } });
  });

  it("signs up once for one Idempotency-Key", async () => {
    const body = signup();
    const headers = { "idempotency-key": "once" };
    const first = await api.call("POST /v1/tenants?wait=1", { body, headers });
    const second = await api.call("POST /v1/tenants", { body, headers });
    expect([first.status, second.status]).toEqual([201, 202]);
    expect(second.body).toMatchObject({ slug: body.slug, state: "completed" });
  });

  it.each([
    ["another body", { name: "Someone else" }],
    ["another region", { slug: "elsewhere", region: "us-east-1" }],
  ])("refuses an Idempotency-Key used again with %s", async (kind, changes) => {
    const body = signup();
    const headers = { "idempotency-key": `again-${kind.replace(" ", "-")}` };
    await api.call("POST /v1/tenants?wait=1", { body, headers });
    expect(await api.call("POST /v1/tenants", { body: { ...body, ...changes }, headers })).toMatchObject({
      status: 422,
      body: { code: "E_IDEMPOTENCY_KEY_REUSED" },
    });
  });

  it("refuses a slug that is taken", async () => {
    const slug = await api.createTenant();
    const answer = await api.call("POST /v1/tenants", { body: signup({ slug }) });
    expect(answer).toMatchObject({ status: 409, body: { code: "E_TENANT_SLUG_TAKEN" } });
  });

  it.each([
    [{ slug: "Acme" }, "E_TENANT_SLUG_INVALID", /"Acme"/],
    [{ slug: "a b" }, "E_TENANT_SLUG_INVALID", /"a b"/],
    [{ slug: "" }, "E_TENANT_SLUG_INVALID", /""/],
    [{ slug: "www" }, "E_TENANT_SLUG_RESERVED", /"www"/],
    [{ region: "mars-1" }, "E_REGION_UNKNOWN", /there are eu-west-1, us-east-1\./],
    [{ region: "eu-central-1" }, "E_REGION_UNKNOWN", /there are eu-west-1, us-east-1\./],
    [{ plan: "platinum" }, "E_PLAN_UNKNOWN", /there are starter, business\./],
    [{ email: "ada" }, "E_ARGUMENT", /email is not an e-mail address/],
    [{ name: "  " }, "E_ARGUMENT", /name must not be empty/],
    [{ name: 7 }, "E_ARGUMENT", /name must be text/],
    [{ name: "a\u001b[2J" }, "E_ARGUMENT", /name must not have control characters/],
    [{ emial: "x" }, "E_ARGUMENT", /"emial" is unknown, did you mean "email"\?/],
    [{ colour: "x" }, "E_ARGUMENT", /"colour" is unknown, allowed are slug, name, region, plan, email/],
    [{ email: undefined, name: undefined }, "E_ARGUMENT", /name is missing; email is missing/],
  ])("refuses %j", async (changes, code, detail) => {
    const before = await api.directory.list();
    const answer = await api.call("POST /v1/tenants", { body: signup(changes) });
    expect(answer).toMatchObject({ status: 400, body: { code, detail: expect.stringMatching(detail) } });
    expect(await api.directory.list()).toEqual(before);
  });

  it.each([
    ["no body", {}, 400, /is missing/],
    ["no JSON", { rawBody: "{" }, 400, /JSON/],
    ["a list", { body: [] }, 400, /the body must be a JSON object/],
    [
      "a form",
      { rawBody: "slug=a", headers: { "content-type": "application/x-www-form-urlencoded" } },
      400,
      /must be JSON/,
    ],
    ["a body above 64 kB", { body: { name: "x".repeat(65_536) } }, 413, /larger than 64 kB/],
    ["a key with a space", { body: signup(), headers: { "idempotency-key": "a b" } }, 400, /idempotency-key/],
  ])("refuses %s", async (_, call, status, detail) => {
    const answer = await api.call("POST /v1/tenants", call);
    expect(answer).toMatchObject({ status, body: { detail: expect.stringMatching(detail) } });
  });

  it("says so when the region does not answer", async () => {
    api.ireland.down = true;
    const answer = await api.call("POST /v1/tenants", { body: signup() });
    expect(answer).toMatchObject({ status: 503, body: { code: "E_REGION_UNAVAILABLE" } });
  });
});

describe("GET /v1/tenants", () => {
  it("lists by slug, page by page or for one region", async () => {
    const american = await api.createTenant({ region: "us-east-1" });
    await api.createTenant();
    const all = await api.call<{ slug: string; region: string }[]>("GET /v1/tenants");
    expect(all.body.map(({ slug }) => slug)).toEqual((await api.directory.list()).map(({ slug }) => slug));
    const page = await api.call<{ slug: string }[]>(`GET /v1/tenants?after=${all.body[0]?.slug}&limit=1`);
    expect(page.body.map(({ slug }) => slug)).toEqual([all.body[1]?.slug]);
    const region = await api.call<{ slug: string }[]>("GET /v1/tenants?region=us-east-1");
    expect(region.body.map(({ slug }) => slug)).toContain(american);
    expect(region.body).toHaveLength((await api.directory.list({ region: "us-east-1" })).length);
  });

  it("lists without names what lives in a region that does not answer", async () => {
    const there = await api.createTenant();
    const here = await api.createTenant({ region: "us-east-1" });
    api.ireland.down = true;
    const { status, body } = await api.call<{ slug: string }[]>("GET /v1/tenants");
    expect(status).toBe(200);
    expect(body.find(({ slug }) => slug === there)).toMatchObject({
      name: null,
      note: expect.stringContaining("eu-west-1"),
    });
    const named = body.find(({ slug }) => slug === here);
    expect(named).toMatchObject({ name: expect.stringMatching(/^Tenant/) });
    expect(named).not.toHaveProperty("note");
  });

  it("shows one, and answers 404 for an unknown one", async () => {
    const slug = await api.createTenant();
    expect(await api.call(`GET /v1/tenants/${slug}`)).toMatchObject({
      status: 200,
      body: { slug, state: "active" },
    });
    const unknown = await api.call("GET /v1/tenants/nobody");
    expect(unknown).toMatchObject({ status: 404, body: { code: "E_TENANT_NOT_FOUND" } });
  });

  it("refuses a limit that is no number", async () => {
    expect(await api.call("GET /v1/tenants?limit=many")).toMatchObject({
      status: 400,
      body: { code: "E_ARGUMENT" },
    });
  });
});

describe("GET /v1/signups/:id", () => {
  it.each(["eu-west-1.unknown", "mars-1.x", "nothing", "."])("answers 404 for %s", async (id) => {
    const answer = await api.call(`GET /v1/signups/${encodeURIComponent(id)}`);
    expect(answer).toMatchObject({ status: 404, body: { code: "E_NOT_FOUND" } });
  });

  it("streams each step, and ends with the sign-up", async () => {
    api.ireland.signups.automatic = false;
    const { id } = (await api.call("POST /v1/tenants", { body: signup() })).body;
    const response = await request(`/v1/signups/${id}/events`);
    expect(response.headers.get("content-type")).toBe("text/event-stream");
    const reader = readEvents(response);
    const finished: number[] = [];
    for await (const status of reader) {
      finished.push(status.steps.filter((step) => step.state === "done").length);
      if (status.state === "running") await api.ireland.signups.step(String(id));
      else expect(status.state).toBe("completed");
    }
    expect(finished).toEqual(Array.from({ length: 14 }, (_, index) => index + 1));
  });

  it("streams the one status of a sign-up that has ended", async () => {
    api.ireland.signups.failingStep = "seed";
    const { id } = (await api.call("POST /v1/tenants", { body: signup() })).body;
    await expect.poll(async () => (await api.ireland.signup({ id: String(id) }))?.state).toBe("failed");
    const events: StatusEvent[] = [];
    for await (const event of readEvents(await request(`/v1/signups/${id}/events`))) events.push(event);
    expect(events).toMatchObject([{ state: "failed", error: { code: "E_SIGNUP_FAILED" } }]);
  });
});

describe("the rest", () => {
  it("tells what runs", async () => {
    const answer = await api.call("GET /v1/status");
    expect(answer).toMatchObject({
      status: 200,
      body: { pid: process.pid, regions: [{ name: "eu-west-1" }, {}] },
    });
  });

  it("shows the outbox of one tenant or all, newest first", async () => {
    const slug = await api.createTenant();
    const american = await api.createTenant({ region: "us-east-1" });
    const mine = await api.call<Record<string, unknown>[]>(`GET /v1/mail?tenant=${slug}`);
    expect(mine.body).toMatchObject([{ tenant: slug, region: "eu-west-1", to: `ada@${slug}.example` }]);
    const all = await api.call<{ tenant: string; createdAt: string }[]>("GET /v1/mail");
    expect(all.body.map(({ tenant }) => tenant)).toEqual(expect.arrayContaining([slug, american]));
    expect(all.body.map((mail) => mail.createdAt)).toEqual(
      all.body
        .map((mail) => mail.createdAt)
        .toSorted()
        .reverse(),
    );
    expect(await api.call("GET /v1/mail?tenant=nobody")).toMatchObject({ status: 404 });
  });

  it("answers an unknown path with a problem document that nobody may cache", async () => {
    const response = await request("/v1/nothing");
    expect(response.status).toBe(404);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toMatchObject({
      code: "E_NOT_FOUND",
      detail: "There is no GET /v1/nothing.",
    });
  });
});

function request(path: string): Promise<Response> | Response {
  return api.request(path, { headers: { authorization: `Bearer ${operatorToken}` } });
}

interface StatusEvent {
  readonly state: string;
  readonly steps: readonly { readonly state: string }[];
}

async function* readEvents(response: Response): AsyncGenerator<StatusEvent> {
  let buffered = "";
  for await (const chunk of (response.body as ReadableStream<Uint8Array>).pipeThrough(
    new TextDecoderStream() as never,
  )) {
    buffered += chunk as unknown as string;
    const events = buffered.split("\n\n");
    buffered = events.pop() ?? "";
    for (const event of events) {
      const [name, data] = event.split("\n");
      expect(name).toBe("event: status");
      yield JSON.parse(data?.slice("data: ".length) ?? "") as StatusEvent;
    }
  }
}
