import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Directory } from "../../src/control/directory.ts";
import { recoveryControl } from "../../src/control/recovery/control.ts";
import { failOver } from "../../src/control/recovery/fail-over.ts";
import type { RecoveryParts } from "../../src/control/recovery/recoveries.ts";
import { RegionStates } from "../../src/control/recovery/region-states.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import type { RegionControl } from "../../src/control/region-control.ts";
import { prepareControlSchema } from "../../src/control/schema.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import { orderMigrations } from "../../src/core/migration/plan.ts";
import { failOverSteps } from "../../src/core/recovery/steps.ts";
import { fileLogin } from "../../src/embedded/control-login.ts";
import type { EmbeddedDatabases } from "../../src/embedded/databases.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { prepareMail } from "../../src/embedded/mail.ts";
import { createObjects } from "../../src/embedded/objects.ts";
import { prepareQueues } from "../../src/embedded/queues.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import { connect } from "../../src/postgres/connect.ts";
import { controlDatabaseConnection, ensureControlDatabase } from "../../src/postgres/control-database.ts";
import { WriterPool } from "../../src/postgres/pool.ts";
import { createDirectoryDatabase } from "../support/directory-database.ts";
import { createRecoveryMachine, type RecoveryMachine, recoverySource } from "../support/recovery-machine.ts";
import { openRegionContext } from "../support/region-context.ts";

const recovery = "eu-central-1";
const zones = ["a", "b"] as const;
const patience = { timeout: 60_000, interval: 50 };
const config = parseConfig({
  app: "./app.ts",
  domain: "bookshop.example",
  regions: {
    [recoverySource]: { jurisdiction: "EU", zones: [...zones], recovery },
    [recovery]: { jurisdiction: "EU", zones: [...zones] },
  },
  plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
});
const slugs = ["schema-one", "schema-two", "own-database"];

const migrations = orderMigrations([
  { file: "0001_rows.sql", sql: "CREATE TABLE rows (id int)", sha256: "1" },
]);

/** A death: the step's own process is gone, and nothing is cleaned up. */
class Death extends Error {}

describe("a failover whose processes die at every step", () => {
  const cleanUp: (() => Promise<unknown>)[] = [];
  let machine: RecoveryMachine;
  let states: RegionStates;
  let directoryPool: WriterPool;
  let directory: Directory;
  let source: RegionContext;
  let target: RegionContext;

  /** A region's use cases on real databases; what a failover does not touch is not there. */
  async function regionContext(name: string, databases: EmbeddedDatabases): Promise<RegionContext> {
    const folder = machine.state.region(name);
    const keys = await createKeys({ file: `${folder}/keys.json` });
    const clock = createSystemClock();
    await databases.create({ name: "shared-1", zones });
    const where = {
      server: "shared-1",
      database: "rowhouse_region",
      login: fileLogin({ folder, database: "rowhouse_region", keys }),
    };
    await ensureControlDatabase(databases, where);
    const pool = new WriterPool(await controlDatabaseConnection(databases, where, "test"));
    await prepareControlSchema(pool, "region");
    await prepareMail(pool);
    await prepareQueues(pool);
    const objects = await createObjects({
      folder: `${folder}/objects`,
      signingKey: new Uint8Array(32),
      clock,
    });
    const context = await openRegionContext({
      ...{ name, config, pool, directoryPool },
      platform: { ...{ region: name, databases, keys, clock, objects }, replicas: machine.promoter },
      migrations: () => [],
    });
    cleanUp.unshift(
      () => pool.end(),
      () => context.administration.close(),
      () => context.tenantData.close(),
      () => objects.close(),
    );
    return context;
  }

  async function addTenant(slug: string): Promise<void> {
    const isolation = slug === "own-database" ? "database" : "schema";
    const plan = isolation === "database" ? "business" : "starter";
    await directory.reserve({ slug, region: recoverySource, plan, isolation, signupId: slug });
    const location = await source.locations.allocate({
      slug,
      isolation,
      server: "shared-1",
      migrations: "m",
    });
    await source.tenantData.create(location, "own");
    await source.tenantData.migrate(location, migrations);
    const pool = await source.administration.pool("shared-1", location.database);
    await pool.query(`INSERT INTO "${location.schema}".rows VALUES (7)`);
    await source.pool.query(
      "INSERT INTO profiles (slug, name, administrator_email) VALUES ($1, $1, 'a@b.example')",
      [slug],
    );
    await source.pool.query(
      `INSERT INTO engine.outbox (tenant, idempotency_key, sender, recipient, address, subject, text, status, next_attempt_at, created_at)
       VALUES ($1, 'welcome', 's', 'r', 'a', 'b', 't', 'queued', now(), now())`,
      [slug],
    );
    await directory.place(slug, { server: "shared-1", schemaVersion: 1 });
    await directory.apply(slug, "activate");
  }

  beforeAll(async () => {
    machine = await createRecoveryMachine();
    const database = await createDirectoryDatabase();
    directoryPool = database.pool;
    directory = new Directory(directoryPool);
    states = new RegionStates(database.pool);
    cleanUp.push(
      () => machine.dispose(),
      () => database.drop(),
    );
    source = await regionContext(recoverySource, machine.source);
    target = await regionContext(recovery, machine.databases);
    for (const slug of slugs) await addTenant(slug);
    // One whose server has no standby, and which has no backup.
    await directory.reserve({
      slug: "without",
      region: recoverySource,
      plan: "starter",
      isolation: "schema",
      signupId: "without",
    });
    await directory.place("without", { server: "shared-9", schemaVersion: 1 });
    await directory.apply("without", "activate");
    // A sign-up that never came to its end.
    await directory.reserve({
      slug: "half",
      region: recoverySource,
      plan: "starter",
      isolation: "schema",
      signupId: "half",
    });
    await states.beat(recoverySource);
    await machine.replicas.create({ source: recoverySource, server: "shared-1" });
    const since = performance.now();
    await vi.waitFor(async () => {
      const [replica] = await machine.replicas.list();
      expect((replica?.lagSeconds ?? Infinity) * 1000).toBeLessThan(performance.now() - since);
    }, patience);
    await machine.loseSource();
  }, 120_000);
  afterAll(async () => {
    for (const clean of cleanUp) await clean();
  }, 60_000);

  /** The failover as the control plane does it; it and the recovery region's controller die at `death`. */
  async function attempt(death: string | undefined, seen: string[] = []) {
    const onStep = async (step: string) => {
      seen.push(step);
      if (step === death) throw new Death(step);
    };
    const control = recoveryControl(target, { states, onFault: () => {}, onStep });
    const parts: RecoveryParts = {
      states,
      clock: createSystemClock(),
      config: () => config,
      control: () => control as unknown as RegionControl,
      fence: async () => ({ wasAlive: false }),
      start: async () => {},
      untilReady: async () => {},
      reset: async () => {},
      redirect: async () => {},
      open: () => {},
      close: () => {},
      onStep,
    };
    return failOver(parts, { region: recoverySource, to: recovery, askedAt: new Date() }, () => {});
  }

  it.each(failOverSteps.map(({ name }) => name))(
    "goes on after a death before `%s`",
    async (step) => {
      await expect(attempt(step)).rejects.toThrow(Death);
      const entry = await directory.find("schema-one");
      // The directory says either that the tenant is lost, or where it is: never a place that has not got it.
      if (entry?.region === recovery) expect(await rowsOf("schema-one")).toEqual([7]);
      const refused = directory.reserve({
        slug: "late",
        region: recoverySource,
        plan: "starter",
        isolation: "schema",
        signupId: "late",
      });
      if (step !== "mark") await expect(refused).rejects.toMatchObject({ code: "E_REGION_LOST" });
      else await refused.then(() => directory.release("late", "late"));
    },
    60_000,
  );

  it("has brought back everything once, and tells what it could not", async () => {
    const seen: string[] = [];
    const outcome = await attempt(undefined, seen);
    expect(new Set(seen)).toEqual(new Set(failOverSteps.map(({ name }) => name)));
    expect(outcome).toMatchObject({
      region: recoverySource,
      to: recovery,
      tenants: slugs.length,
      fromBackup: [],
      mail: slugs.length,
      messages: 0,
    });
    expect(outcome.failed.map(({ slug }) => slug)).toEqual(["without"]);
    expect(outcome.rpoSeconds).toBeLessThan(60);
    for (const slug of slugs) {
      expect(await rowsOf(slug)).toEqual([7]);
      expect(await directory.find(slug)).toMatchObject({
        region: recovery,
        server: "eu-west-1-shared-1",
        state: "active",
      });
    }
    expect(await directory.find("half")).toBeUndefined();
    expect((await directory.find("without"))?.region).toBe(recoverySource);
    const { rows } = await target.pool.query("SELECT slug, name FROM profiles ORDER BY slug");
    expect(rows.map(({ slug }) => slug)).toEqual(slugs.toSorted());
    const servers = (await machine.databases.list()).map(({ name }) => name);
    expect(servers).toEqual(["eu-west-1-shared-1", "shared-1"]);
  }, 60_000);

  it("lets nobody in with what the lost region knew", async () => {
    const { rows } = await target.pool.query<{ app_password: string; app_role: string }>(
      "SELECT app_role, app_password FROM data_locations WHERE slug = 'schema-one'",
    );
    const { app_role: role, app_password: sealed } = rows[0]!;
    await expect(source.locations.openPassword(role, sealed)).rejects.toMatchObject({ code: "E_DECRYPT" });
  });

  /** As the tenant itself. */
  async function rowsOf(slug: string): Promise<number[]> {
    const location = (await target.locations.find(slug))!;
    const client = await connect({
      endpoint: await machine.databases.endpoint(location.server),
      database: location.database,
      credentials: {
        user: location.appRole,
        password: await target.locations.openPassword(location.appRole, location.appPassword),
      },
      applicationName: "test",
    });
    const { rows } = await client
      .query<{ id: number }>(`SELECT id FROM "${location.schema}".rows`)
      .finally(() => client.end());
    return rows.map(({ id }) => id);
  }
});
