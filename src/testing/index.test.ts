import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import application from "../../test/support/testing-application/app.ts";
import type { ConfigInput } from "../core/config/schema.ts";
import { currentTenant, defineApp, withTenant } from "../index.ts";
import { assetUrl } from "../instance/assets.ts";
import { type TestTenant, testTenant } from "./index.ts";

const config: ConfigInput = {
  app: "./app.ts",
  domain: "notes.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
  },
  plans: {
    starter: { isolation: "schema", requestsPerSecond: 0.05 },
    dense: { isolation: "schema", connections: "shared" },
    business: { isolation: "database" },
    enterprise: { isolation: "server" },
  },
  mail: { smtp: "smtp://mail.invalid:25" },
};

describe("a test's tenant", () => {
  let tenant: TestTenant;
  let other: TestTenant;

  beforeAll(async () => {
    [tenant, other] = await Promise.all([
      testTenant(application, { name: "Acme & Daughters", settings: { colour: "red" } }),
      testTenant(application),
    ]);
  });
  afterAll(async () => {
    await Promise.all([tenant.close(), other.close()]);
  });

  it("is who it was asked to be, in every request", async () => {
    expect(tenant.slug).toMatch(/^acme-daughters-[0-9a-f]{8}$/);
    expect(await (await tenant.request("/who")).json()).toEqual({
      slug: tenant.slug,
      name: "Acme & Daughters",
      region: "test",
      plan: "test",
      settings: { colour: "red" },
      same: true,
    });
  });

  it("has rows of its own, migrated and seeded", async () => {
    await tenant.db.query("DELETE FROM notes");
    expect(await (await tenant.request("/notes")).json()).toEqual([]);
    expect(await (await other.request("/notes")).json()).toEqual([`seed of ${other.slug}`]);
    await tenant.request("/notes", { method: "POST", body: "first" });
    const { rows } = await tenant.db.query("SELECT text FROM notes");
    expect(rows).toEqual([{ text: "first" }]);
    await expect(tenant.db.query("CREATE TABLE mine (id integer)")).rejects.toThrow(/permission denied/);
  });

  it("asks by HTTP: bodies, headers and statuses come as they are", async () => {
    const form = new FormData();
    form.set("word", "grün");
    const response = await tenant.request("/echo?q=1", { method: "POST", body: form });
    const echo = (await response.json()) as { length: string; body: string };
    expect(echo).toMatchObject({
      url: `${tenant.url}/echo?q=1`,
      type: expect.stringMatching(/^multipart\/form-data; boundary=/),
      body: expect.stringContaining("grün"),
    });
    expect(Number(echo.length)).toBe(Buffer.byteLength(echo.body));
    const redirect = await tenant.request("/notes", { method: "POST", body: "x" });
    expect(redirect.status).toBe(303);
    expect(redirect.headers.get("location")).toBe("/notes");
    expect(redirect.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(redirect.url).toBe(`${tenant.url}/notes`);
    const empty = await tenant.request("/notes", { method: "DELETE" });
    expect([empty.status, empty.body]).toEqual([204, null]);
    expect((await tenant.request("/nowhere")).status).toBe(404);
    await expect(tenant.request("/who", { signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
    await expect(tenant.request(`${other.url}/notes`)).rejects.toMatchObject({ code: "E_ARGUMENT" });
  });

  it("is the current tenant inside `run`, and nowhere else", async () => {
    const slug = await tenant.run(async (given) => {
      await other.run(() => expect(currentTenant().slug).toBe(other.slug));
      await withTenant(other.slug, () => expect(currentTenant().slug).toBe(other.slug));
      expect(given).toBe(currentTenant());
      return currentTenant().slug;
    });
    expect(slug).toBe(tenant.slug);
    expect(() => currentTenant()).toThrow(/E_NO_TENANT|tenant/);
  });

  it("keeps its mail in the outbox, newest first", async () => {
    await tenant.mail.send({ to: "ada@acme.example", subject: "One", text: "1" });
    await tenant.mail.send({ to: "ada@acme.example", subject: "Two", text: "2" });
    const mails = await tenant.outbox();
    expect(mails.map(({ subject }) => subject)).toEqual(["Two", "One"]);
    expect(mails[0]).toMatchObject({
      from: `"Acme & Daughters" <${tenant.slug}@tenants.example>`,
      status: "not-configured",
    });
    expect(await other.outbox()).toEqual([]);
  });

  it("has a cache, files and a queue of its own", async () => {
    await tenant.cache.set("key", { of: tenant.slug });
    expect(await tenant.cache.get("key")).toEqual({ of: tenant.slug });
    expect(await other.cache.get("key")).toBeUndefined();
    await tenant.files.put("a/b.txt", "content");
    const found = await tenant.files.get("a/b.txt");
    expect(found && (await text(found.body))).toBe("content");
    expect(await other.files.get("a/b.txt")).toBeUndefined();
    const link = await tenant.files.url("a/b.txt");
    expect(await (await tenant.request(link)).text()).toBe("content");
    expect(await tenant.queue.send({ work: 1 })).toEqual({ id: expect.any(String) });
  });

  it("serves the application's assets", async () => {
    const response = await tenant.request(assetUrl("hello.txt"));
    expect(await response.text()).toBe("hello asset\n");
    expect(response.headers.get("cache-control")).toContain("immutable");
  });

  it("gives an ORM a URL to connect with", async () => {
    expect(tenant.databaseUrl).toMatch(/^postgresql:\/\/t_[0-9a-f]+_app:[\w-]+@127\.0\.0\.1:\d+\/tenants$/);
  });
});

describe("a test's tenant of a config", () => {
  it("is in the region that is asked for, with the address's domain", async () => {
    const tenant = await testTenant(application, { config, region: "us-east-1" });
    expect(await (await tenant.request("/who")).json()).toMatchObject({
      region: "us-east-1",
      plan: "starter",
    });
    await tenant.mail.send({ to: "ada@acme.example", subject: "One", text: "1" });
    expect(await tenant.outbox()).toMatchObject([
      {
        from: expect.stringContaining(`<${tenant.slug}@notes.example>`),
        status: "not-configured",
      },
    ]);
    const home = await testTenant(application, { config });
    await expect(home.run(() => withTenant(tenant.slug, () => {}))).rejects.toMatchObject({
      code: "E_WRONG_REGION",
    });
    await Promise.all([home.close(), tenant.close()]);
  });

  it("has its plan's limits", async () => {
    const tenant = await testTenant(application, { config, plan: "starter" });
    const answers = await Promise.all(Array.from({ length: 20 }, () => tenant.request("/who")));
    expect(answers.map(({ status }) => status)).toContain(429);
    await tenant.close();
  });

  it.each([
    ["dense", "tenants"],
    ["business", expect.stringMatching(/^t_/)],
    ["enterprise", expect.stringMatching(/^t_/)],
  ])("has the isolation of the plan %s, as far as one server has it", async (plan, database) => {
    const tenant = await testTenant(application, { config, plan });
    const { rows } = await tenant.db.query("SELECT current_database() AS database");
    expect(rows).toEqual([{ database }]);
    expect(await (await tenant.request("/notes")).json()).toEqual([`seed of ${tenant.slug}`]);
    await tenant.close();
  });

  it("refuses what the config does not have", async () => {
    await expect(testTenant(application, { config, plan: "gold" })).rejects.toMatchObject({
      code: "E_PLAN_UNKNOWN",
    });
    await expect(testTenant(application, { config, region: "moon-1" })).rejects.toMatchObject({
      code: "E_REGION_UNKNOWN",
    });
    await expect(testTenant(application, { plan: "No Plan" })).rejects.toMatchObject({ code: "E_CONFIG" });
  });
});

describe("making a tenant", () => {
  const fetch = () => new Response();

  it("leaves the seed out when told so", async () => {
    const tenant = await testTenant(application, { seed: false });
    expect(await (await tenant.request("/notes")).json()).toEqual([]);
    await tenant.close();
  });

  it("passes on what the seed throws, and leaves nothing", async () => {
    const witness = await testTenant(application);
    const schemas = async () => {
      const { rows } = await witness.db.query("SELECT count(*)::int AS count FROM pg_namespace");
      return rows[0]?.count;
    };
    const before = await schemas();
    const broken = defineApp({
      name: "broken",
      fetch,
      seed: () => {
        throw new Error("no seed today");
      },
    });
    await expect(testTenant(broken)).rejects.toThrow("no seed today");
    expect(await schemas()).toBe(before);
    await witness.close();
  });

  it("names the migration that fails", async () => {
    const folder = join(import.meta.dirname, "../../test/support/testing-application");
    const broken = defineApp({ name: "broken", fetch, migrations: "./broken" });
    await expect(testTenant(broken, { folder })).rejects.toThrow(
      /0001_broken\.sql failed: relation "fine" already exists/,
    );
  });

  it("says so when it can't know where the migrations are, and takes a folder for it", async () => {
    await expect(testTenant({ ...application, folder: null })).rejects.toMatchObject({
      code: "E_APP_INVALID",
      message: expect.stringContaining("`folder`"),
    });
    await expect(testTenant(application, { folder: "/nowhere" })).rejects.toMatchObject({
      code: "E_APP_INVALID",
      message: expect.stringContaining("/nowhere/migrations"),
    });
  });

  it("works again after the last tenant was closed, and closing twice is no error", async () => {
    for (const text of ["one", "two"]) {
      const tenant = await testTenant(application);
      await tenant.request("/notes", { method: "POST", body: text });
      expect(await (await tenant.request("/notes")).json()).toEqual([`seed of ${tenant.slug}`, text]);
      await Promise.all([tenant.close(), tenant.close()]);
      await expect(tenant.request("/notes")).rejects.toThrow();
    }
  });
});
