import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CertificateDocument } from "../../src/control/close/control.ts";
import type { TestSystem } from "../support/system.ts";

interface TenantJson {
  readonly slug: string;
  readonly name: string;
  readonly region: string;
  readonly plan: string;
  readonly isolation: string;
  readonly state: string;
  readonly schemaVersion: number;
  readonly url: string;
  readonly createdAt: string;
  readonly durationMs?: number;
}

interface BookJson {
  readonly id: number;
  readonly title: string;
}

const regions = ["eu-west-1", "us-east-1"] as const;
const plans = { starter: "schema", business: "database", enterprise: "server" } as const;

/**
 * What tenants of a whole system meet, whatever it runs on. `make` gives one that is up, with the bookshop's regions
 * eu-west-1 and us-east-1 and its three plans.
 */
export function tenantsSuite<System extends TestSystem>(
  name: string,
  make: () => Promise<System>,
  /** Cases of the one target, at the end. */
  more: (system: () => System) => void = () => {},
): void {
  describe(`tenants on ${name}`, () => {
    let system: System;
    beforeAll(async () => {
      system = await make();
    }, 600_000);
    afterAll(() => system.dispose(), 120_000);

    const create = (slug: string, region: string, plan: string) =>
      system.json<TenantJson>(
        ...["tenant", "create", slug, "--name", `The ${slug} shop`, "--region", region],
        ...["--plan", plan, "--email", `owner@${slug}.example`],
      );

    async function addBook(slug: string, title: string): Promise<BookJson> {
      const response = await system.tenant(slug, "/api/books", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ title, author: "A. Uthor" }),
      });
      expect(response.status).toBe(201);
      return (await response.json()) as BookJson;
    }

    async function titles(slug: string): Promise<string[]> {
      const response = await system.tenant(slug, "/api/books?limit=1000");
      expect(response.status).toBe(200);
      const { books } = (await response.json()) as { books: BookJson[] };
      return books.map((book) => book.title);
    }

    it("reports two regions with databases in two zones and two healthy instances each", async () => {
      const status = await system.status();
      const started = status.regions.filter((region) => region.status === "ready");
      expect(started.map((region) => region.name)).toEqual([...regions]);
      for (const region of started) {
        expect(region.databases[0]).toMatchObject({
          status: "available",
          primary: { zone: "a", status: "running" },
          standby: { zone: "b", status: "running" },
        });
        expect(region.fleets[0]?.instances).toMatchObject([{ health: "healthy" }, { health: "healthy" }]);
        expect(new Set(region.fleets[0]?.instances.map((instance) => instance.zone))).toEqual(
          new Set(["a", "b"]),
        );
      }
    });

    for (const region of regions) {
      for (const [plan, isolation] of Object.entries(plans)) {
        it(`${region}, ${isolation}: signs up by the CLI, and what is written is seen there alone`, async () => {
          const slug = `${isolation}-${region.slice(0, 2)}`;
          const tenant = await create(slug, region, plan);
          expect(tenant).toMatchObject({
            slug,
            region,
            plan,
            isolation,
            state: "active",
            schemaVersion: expect.any(Number),
          });
          expect(tenant.durationMs).toBeGreaterThan(0);
          await addBook(slug, `Only in ${slug}`);
          expect(await titles(slug)).toContain(`Only in ${slug}`);
          const home = system.balancerUrl(region);
          const response = await system.tenant(slug, "/api/books", { at: home });
          expect(response.headers.get("x-rowhouse-region")).toBe(region);
          expect(response.headers.get("x-rowhouse-instance")).toMatch(/^i-/);
          expect(response.headers.get("x-rowhouse-release")).toMatch(/^[0-9a-f]{12}$/);
        });
      }
    }

    it("keeps every tenant's books out of every other's", async () => {
      const list = await system.json<TenantJson[]>("tenant", "list");
      expect(list.length).toBeGreaterThanOrEqual(6);
      for (const { slug } of list) {
        const foreign = (await titles(slug)).filter(
          (title) => title.startsWith("Only in ") && title !== `Only in ${slug}`,
        );
        expect(foreign).toEqual([]);
      }
    });

    it("answers 421 with the right address in the wrong region", async () => {
      const response = await system.tenant("schema-eu", "/api/books", {
        at: system.balancerUrl("us-east-1"),
      });
      expect(response.status).toBe(421);
      expect(await response.json()).toMatchObject({ code: "E_WRONG_REGION" });
    });

    it.each(["nobody.*", "a.schema-eu.*", "127.0.0.1", "www.*", "evil.example"])(
      "answers 404 with a plain page for the host %s",
      async (pattern) => {
        const host = pattern.replace("*", system.domain);
        const { request } = await import("undici");
        for (const base of system.entrances) {
          const { statusCode, body } = await request(`${base}/api/books`, {
            headers: { host, accept: "text/html" },
          });
          const text = await body.text();
          expect(statusCode).toBe(404);
          expect(text).not.toContain("schema-eu");
        }
      },
    );

    it("suspends, resumes and closes", async () => {
      await create("fleeting", "eu-west-1", "starter");
      await system.json("tenant", "suspend", "fleeting");
      await expect.poll(async () => (await system.tenant("fleeting", "/")).status).toBe(403);
      await system.json("tenant", "resume", "fleeting");
      await expect.poll(async () => (await system.tenant("fleeting", "/")).status).toBe(200);
      const refused = await system.cli("tenant", "close", "fleeting", "--json");
      expect(refused.code).toBe(2);
      expect(refused.json()).toMatchObject({ error: { code: "E_CONFIRMATION" } });
      await system.json("tenant", "close", "fleeting", "--yes");
      await expect.poll(async () => (await system.tenant("fleeting", "/")).status).toBe(410);
      const certificate = await system.json<CertificateDocument>("tenant", "certificate", "fleeting");
      const left = certificate.remainders.filter(({ until }) => until !== null).map(({ what }) => what);
      expect(left).toEqual(system.remainders);
      const again = await system.cli(
        ...["tenant", "create", "fleeting", "--name", "Again", "--region", "eu-west-1", "--plan", "starter"],
        ...["--email", "a@b.example", "--json"],
      );
      expect(again.code).toBe(2);
      expect(again.json()).toMatchObject({ error: { code: "E_TENANT_SLUG_TAKEN" } });
    });

    it("is brought back to a backup, and moved to another isolation and another region", async () => {
      await create("lasting", "eu-west-1", "starter");
      await addBook("lasting", "Kept");
      const { id } = await system.json<{ id: string }>("tenant", "backup", "lasting");
      await addBook("lasting", "Regretted");
      await system.json("tenant", "restore", "lasting", "--backup", id, "--yes");
      expect(await titles("lasting")).not.toContain("Regretted");
      expect(await titles("lasting")).toContain("Kept");
      const before = await titles("lasting");
      await system.json("tenant", "move", "lasting", "--plan", "business");
      expect(await titles("lasting")).toEqual(before);
      const consent = ["--consent", "contract 7"];
      await system.json("tenant", "move", "lasting", "--region", "us-east-1", ...consent);
      await expect.poll(() => titles("lasting"), { timeout: 20_000 }).toEqual(before);
      await addBook("lasting", "Written there");
      expect(await system.json<TenantJson>("tenant", "show", "lasting")).toMatchObject({
        region: "us-east-1",
        isolation: "database",
        state: "active",
      });
    }, 240_000);

    it("gives a slug to one of many sign-ups that race for it", async () => {
      const sign = (region: string) =>
        system.api("/v1/tenants?wait=1", {
          method: "POST",
          body: JSON.stringify({
            slug: "race",
            name: "Race",
            region,
            plan: "starter",
            email: "r@race.example",
          }),
        });
      const answers = await Promise.all([...regions, ...regions, ...regions].map(sign));
      const outcomes = await Promise.all(
        answers.map(async (answer) => ({ status: answer.status, body: await answer.text() })),
      );
      const taken = { status: 409, body: expect.stringContaining("E_TENANT_SLUG_TAKEN") };
      expect(outcomes.sort((a, b) => a.status - b.status)).toEqual([
        { status: 201, body: expect.stringContaining('"race"') },
        ...Array.from({ length: 5 }, () => taken),
      ]);
    }, 120_000);

    it("signs up once for one idempotency key", async () => {
      const body = {
        slug: "once",
        name: "Once",
        region: "us-east-1",
        plan: "business",
        email: "o@once.example",
      };
      const sign = (changes: object = {}) =>
        system.api("/v1/tenants", {
          method: "POST",
          headers: { "idempotency-key": "order-4711" },
          body: JSON.stringify({ ...body, ...changes }),
        });
      const [first, second] = await Promise.all([sign(), sign()]);
      expect([first.status, second.status]).toEqual([202, 202]);
      const [one, two] = (await Promise.all([first.json(), second.json()])) as { id: string }[];
      expect(one?.id).toBe(two?.id);
      expect((await sign({ name: "Other" })).status).toBe(422);
      const path = `/v1/signups/${one?.id}`;
      await expect
        .poll(async () => ((await (await system.api(path)).json()) as { state: string }).state, {
          timeout: 60_000,
        })
        .toBe("completed");
      const { steps } = (await (await system.api(path)).json()) as {
        steps: { name: string; state: string }[];
      };
      expect(steps.find((step) => step.name === "notify-crm")?.state).toBe("not-configured");
      expect(steps.find((step) => step.name === "activate")?.state).toBe("done");
    }, 120_000);

    it("keeps the welcome mail in the region's outbox", async () => {
      const response = await system.api("/v1/mail?tenant=once");
      expect(await response.json()).toMatchObject([
        { to: "o@once.example", tenant: "once", status: system.mailStatus },
      ]);
    });

    it.each([
      [{ slug: "Bad Slug" }, 400, "E_TENANT_SLUG_INVALID"],
      [{ slug: "www" }, 400, "E_TENANT_SLUG_RESERVED"],
      [{ region: "mars-1" }, 400, "E_REGION_UNKNOWN"],
      [{ region: "eu-central-1" }, 400, "E_REGION_UNKNOWN"],
      [{ plan: "gold" }, 400, "E_PLAN_UNKNOWN"],
      [{ email: "nobody" }, 400, "E_ARGUMENT"],
    ])("refuses %j with a code, a reason and a remedy", async (changes, status, code) => {
      const body = {
        slug: "fine",
        name: "Fine",
        region: "eu-west-1",
        plan: "starter",
        email: "f@fine.example",
        ...changes,
      };
      const response = await system.api("/v1/tenants", { method: "POST", body: JSON.stringify(body) });
      expect(response.status).toBe(status);
      expect(await response.json()).toMatchObject({
        code,
        detail: expect.any(String),
        remedy: expect.any(String),
      });
    });
    more(() => system);
  });
}
