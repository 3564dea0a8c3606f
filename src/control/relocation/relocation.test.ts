import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { ask } from "../../../test/support/ask.ts";
import { createDirectoryDatabase } from "../../../test/support/directory-database.ts";
import { oneServer } from "../../../test/support/one-server.ts";
import { createTestRegion, type TestRegion } from "../../../test/support/region.ts";
import { openRegionContext } from "../../../test/support/region-context.ts";
import { defineApp } from "../../instance/application.ts";
import { type RunningInstance, startInstance } from "../../instance/server.ts";
import { connect } from "../../postgres/connect.ts";
import { quoteIdentifier } from "../../postgres/identifier.ts";
import { copyEntries, type Directory } from "../directory.ts";
import type { Administration } from "../tenant-data/administration.ts";
import type { Locations, StoredLocation } from "../tenant-data/locations.ts";
import { sharedLogin } from "../tenant-data/shared-login.ts";
import type { TenantData } from "../tenant-data/tenant-data.ts";
import type { Relocation } from "./relocation.ts";

/** Adds the body as a title, in two queries with a pause of the path's milliseconds between them. */
const app = defineApp({
  name: "test",
  fetch: async (request, tenant) => {
    const title = await request.text();
    await tenant.db.query("SELECT 1");
    await sleep(Number(new URL(request.url).pathname.slice(1)));
    await tenant.db.query("INSERT INTO books (title) VALUES ($1)", [title]);
    return new Response(title, { status: 201 });
  },
});

describe("a tenant whose data gets another place", () => {
  let region: TestRegion;
  let instances: RunningInstance[];
  let directory: Directory;
  let locations: Locations;
  let administration: Administration;
  let tenantData: TenantData;
  let relocation: Relocation;
  const cleanUp: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    region = await createTestRegion();
    const database = await createDirectoryDatabase();
    const { platform, control, connection, config } = region;
    const context = await openRegionContext({
      ...{ config, pool: control.pool, directoryPool: database.pool },
      platform: { ...platform, databases: oneServer() },
      migrations: () => [],
    });
    ({ directory, locations, administration, tenantData, relocation } = context);
    instances = await Promise.all(
      ["i-1", "i-2"].map((instanceId) =>
        startInstance({
          application: app,
          platform,
          regionPool: control.pool,
          regionConnection: connection,
          config,
          identity: { instanceId, zone: "a", region: "eu-west-1", release: "r1" },
          listen: { host: "127.0.0.1", port: 0 },
          internalToken: "token",
          logSink: () => {},
        }),
      ),
    );
    cleanUp.push(
      ...instances.map((instance) => () => instance.stop(0)),
      () => tenantData.close(),
      () => administration.close(),
      () => region.dispose(),
      () => database.drop(),
    );
  }, 60_000);

  afterAll(async () => {
    for (const clean of cleanUp) await clean();
  });

  async function addTenant(slug: string, plan: "starter" | "dense" | "business"): Promise<StoredLocation> {
    const isolation = plan === "business" ? "database" : "schema";
    await region.addTenant({ slug, plan, isolation, titles: [] });
    await directory.reserve({ slug, region: "eu-west-1", plan, isolation, signupId: slug });
    await directory.place(slug, { server: "shared-1", schemaVersion: 1 });
    await region.control.pool.query("DELETE FROM tenants WHERE slug = $1", [slug]);
    await copyEntries(region.control.pool, [await directory.apply(slug, "activate")]);
    return (await locations.find(slug))!;
  }

  const post = (slug: string, title: string, pause = 0, instance = 0) =>
    ask(instances[instance]!.address, `${slug}.localhost`, `/${pause}`, { method: "POST", body: title });

  /** Makes the arriving location of the same shape, still without rows. */
  async function prepare(slug: string): Promise<StoredLocation> {
    const wish = { slug, isolation: "database", server: "shared-1", migrations: "m" } as const;
    const arriving = await locations.prepare(wish, `move-${slug}`);
    await tenantData.create(arriving, "own");
    const pool = await administration.pool("shared-1", arriving.database);
    await pool.query(
      `SET ROLE ${quoteIdentifier(arriving.ownerRole)}; CREATE TABLE books (title text NOT NULL UNIQUE); RESET ROLE`,
    );
    cleanUp.unshift(() => tenantData.drop(arriving));
    return arriving;
  }

  async function titlesAt(location: StoredLocation): Promise<string[]> {
    const pool = await administration.pool("shared-1", location.database);
    const { rows } = await pool.query<{ title: string }>(
      `SELECT title FROM ${quoteIdentifier(location.schema)}.books ORDER BY title`,
    );
    return rows.map(({ title }) => title);
  }

  async function switchOver(slug: string, from: StoredLocation, to: StoredLocation): Promise<void> {
    const titles = await titlesAt(from);
    const pool = await administration.pool("shared-1", to.database);
    await pool.query("INSERT INTO books SELECT unnest($1::text[])", [titles]);
    await locations.switchTo(slug, to, `move-${slug}`);
    const home = {
      region: "eu-west-1",
      isolation: "database",
      server: "shared-1",
      schemaVersion: 1,
    } as const;
    await relocation.settle(slug, { ...home, plan: "business" }, "active");
  }

  it.each(["starter", "dense", "business"] as const)(
    "loses and doubles no write of a %s tenant, and fails none",
    async (plan) => {
      const slug = `busy-${plan}`;
      const from = await addTenant(slug, plan);
      const to = await prepare(slug);
      const statuses: number[] = [];
      let stopped = false;
      const writers = [0, 1, 2, 3].map(async (writer) => {
        for (let count = 0; !stopped; count++) {
          const { status } = await post(slug, `${writer}-${count}`, count % 3, writer % 2);
          statuses.push(status);
        }
      });
      while (statuses.length < 50) await sleep(5);
      await relocation.freeze(slug, "active");
      await switchOver(slug, from, to);
      const before = statuses.length;
      while (statuses.length < before + 50) await sleep(5);
      stopped = true;
      await Promise.all(writers);
      expect(new Set(statuses)).toEqual(new Set([201]));
      expect(await titlesAt(to)).toHaveLength(statuses.length);
      expect((await titlesAt(from)).length).toBeLessThan(statuses.length);
    },
  );

  it("lets nobody in at the old place, and everybody again when it is thawed", async () => {
    const from = await addTenant("thawed", "starter");
    await post("thawed", "before");
    await relocation.freeze("thawed", "active");
    await relocation.freeze("thawed", "active");
    const waiting = post("thawed", "waited");
    await expect(
      administration
        .pool("shared-1", from.database)
        .then((pool) => pool.query("SELECT rolcanlogin FROM pg_roles WHERE rolname = $1", [from.appRole]))
        .then(({ rows }) => rows),
    ).resolves.toEqual([{ rolcanlogin: false }]);
    await relocation.thaw("thawed", "active");
    expect((await waiting).status).toBe(201);
    expect(await titlesAt(from)).toEqual(["before", "waited"]);
  });

  it("ends a session that became the tenant on an instance that no longer hears of changes", async () => {
    const from = await addTenant("unheard", "dense");
    expect((await post("unheard", "before")).status).toBe(201);
    // Of an instance whose connection to the directory is gone: nothing lists it.
    const server = await administration.pool("shared-1", from.database);
    await server.query(
      `GRANT CONNECT ON DATABASE ${quoteIdentifier(from.database)} TO ${sharedLogin.role};
       GRANT ${quoteIdentifier(from.appRole)} TO ${sharedLogin.role} WITH INHERIT FALSE, SET TRUE`,
    );
    const stranger = await connect({
      endpoint: { nodes: [inject("postgres")] },
      database: from.database,
      credentials: { user: sharedLogin.role, password: "" },
      applicationName: "rowhouse i-unheard",
    });
    await stranger.query(`SET ROLE ${quoteIdentifier(from.appRole)}`);
    const insert = `INSERT INTO ${quoteIdentifier(from.schema)}.books (title) VALUES ('late')`;
    await relocation.freeze("unheard", "active");
    await expect(stranger.query(insert)).rejects.toThrow();
    expect(await titlesAt(from)).toEqual(["before"]);
    await relocation.thaw("unheard", "active");
    await stranger.end().catch(() => {});
  });

  it("waits for a request that is under way, also between two of its queries", async () => {
    const from = await addTenant("slow", "dense");
    const slow = post("slow", "slow", 300);
    await sleep(100);
    await relocation.freeze("slow", "active");
    // It had begun before, so it ended before: nothing was left to wait for.
    expect(await titlesAt(from)).toEqual(["slow"]);
    expect((await slow).status).toBe(201);
    await relocation.thaw("slow", "active");
  });

  it("is refused for a tenant that became something else meanwhile, and keeps a suspended one suspended", async () => {
    await addTenant("paused", "starter");
    await directory.apply("paused", "suspend");
    await expect(relocation.freeze("paused", "active")).rejects.toMatchObject({ code: "E_TENANT_STATE" });
    await relocation.freeze("paused", "suspended");
    await relocation.thaw("paused", "suspended");
    expect((await directory.find("paused"))?.state).toBe("suspended");
  });
});
