import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareControlSchema } from "../../src/control/schema.ts";
import * as statements from "../../src/control/tenant-data/statements.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import type { Config, ConfigInput } from "../../src/core/config/schema.ts";
import type { TenantState } from "../../src/core/tenant/lifecycle.ts";
import type { DataLocation, Isolation } from "../../src/core/tenant/tenant.ts";
import { createCache, prepareCache } from "../../src/embedded/cache.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createMail, prepareMail } from "../../src/embedded/mail.ts";
import { createObjects, createObjectsHandler } from "../../src/embedded/objects.ts";
import { ensureSigningKey } from "../../src/embedded/signing-key.ts";
import { createSystemClock, createSystemRandom } from "../../src/node/clock.ts";
import type { DataPlatform } from "../../src/ports/platform.ts";
import type { Queues } from "../../src/ports/queues.ts";
import type { ConnectOptions } from "../../src/postgres/connect.ts";
import { quoteIdentifier } from "../../src/postgres/identifier.ts";
import { scramVerifier } from "../../src/postgres/scram.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";

export interface TestTenant {
  readonly slug: string;
  readonly isolation?: Isolation;
  readonly plan?: string;
  readonly state?: TenantState;
  readonly region?: string;
  /** Rows of its table `books`; one that is the slug unless told. */
  readonly titles?: readonly string[];
}

/** A region on the test run's Postgres: control database, engines, and tenants with real roles. */
export interface TestRegion {
  readonly platform: DataPlatform;
  readonly config: Config;
  readonly control: TestDatabase;
  readonly connection: ConnectOptions;
  readonly objectsHandler: ReturnType<typeof createObjectsHandler>;
  /** Bodies that were sent to queues. */
  readonly sent: { queue: string; body: string; delaySeconds?: number }[];
  /** What runs on the tenants' shared database as its superuser. */
  readonly tenantsDatabase: TestDatabase;
  addTenant(tenant: TestTenant): Promise<DataLocation>;
  setState(slug: string, state: TenantState): Promise<void>;
  dispose(): Promise<void>;
}

const sharedRole = `shared_${randomUUID().slice(0, 8)}`;

export async function createTestRegion(overrides: Partial<ConfigInput> = {}): Promise<TestRegion> {
  const config = parseConfig({
    app: "./app.ts",
    domain: "bookshop.example",
    regions: {
      "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
      "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
    },
    plans: {
      starter: { isolation: "schema" },
      dense: { isolation: "schema", connections: "shared" },
      business: { isolation: "database" },
      limited: { isolation: "schema", requestsPerSecond: 2 },
    },
    ...overrides,
  });
  const [control, tenantsDatabase] = await Promise.all([createTestDatabase(), createTestDatabase()]);
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-region-"));
  const { host, port } = control;
  const [clock, random] = [createSystemClock(), createSystemRandom()];
  const keys = await createKeys({ file: join(folder, "keys.json"), random });
  const signingKey = await ensureSigningKey(keys, join(folder, "signing-key.json"));
  await prepareControlSchema(control.pool, "region");
  await Promise.all([prepareCache(control.pool), prepareMail(control.pool)]);
  const objects = await createObjects({ folder: join(folder, "objects"), signingKey, clock });
  const sent: TestRegion["sent"] = [];
  const platform: DataPlatform = {
    region: "eu-west-1",
    clock,
    random,
    keys,
    registry: undefined as never,
    databases: { endpoint: async () => ({ nodes: [{ host, port }] }) },
    objects,
    cache: createCache({ pool: control.pool }),
    queues: {
      send: async (queue: string, body: string, options = {}) => {
        sent.push({ queue, body, ...options });
        return { id: randomUUID() };
      },
    } as Pick<Queues, "send"> as Queues,
    mail: createMail({ pool: control.pool, clock }),
  };
  const locations: DataLocation[] = [];
  const extraDatabases: string[] = [];
  // Belongs to all test files of the run; another may have been first.
  await tenantsDatabase.pool.query(`CREATE ROLE ${statements.visitorRole} NOLOGIN`).catch(() => {});
  await tenantsDatabase.pool.query(`CREATE ROLE ${sharedRole} LOGIN NOINHERIT`).catch(() => {});
  await control.pool.query("INSERT INTO shared_logins VALUES ('shared-1', $1, $2, $3)", [
    tenantsDatabase.name,
    sharedRole,
    await keys.encrypt("secret", { purpose: "tenant-role", role: sharedRole }),
  ]);

  async function addTenant(tenant: TestTenant): Promise<DataLocation> {
    const { slug, isolation = "schema", state = "active", region = "eu-west-1", titles = [slug] } = tenant;
    const plan = tenant.plan ?? (isolation === "database" ? "business" : "starter");
    const id = randomUUID().replaceAll("-", "").slice(0, 16);
    const location: DataLocation = {
      server: "shared-1",
      database: isolation === "schema" ? tenantsDatabase.name : `t_${id}`,
      schema: isolation === "schema" ? `t_${id}` : "public",
      ownerRole: `t_${id}_owner`,
      appRole: `t_${id}_app`,
    };
    locations.push(location);
    await makeData(location, titles, isolation);
    if (config.plans[plan]?.connections === "shared") {
      await tenantsDatabase.pool.query(
        `GRANT ${quoteIdentifier(location.appRole)} TO ${sharedRole} WITH INHERIT FALSE, SET TRUE`,
      );
    }
    const password = await keys.encrypt("secret", { purpose: "tenant-role", role: location.appRole });
    await control.pool.query(
      `INSERT INTO data_locations (id, slug, isolation, server, database, schema, owner_role, owner_password, app_role, app_password, ready)
       VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9, true)`,
      [
        id,
        slug,
        isolation,
        location.server,
        location.database,
        location.schema,
        location.ownerRole,
        location.appRole,
        password,
      ],
    );
    await control.pool.query("INSERT INTO profiles (slug, name, administrator_email) VALUES ($1, $2, $3)", [
      slug,
      `The ${slug} company`,
      `admin@${slug}.example`,
    ]);
    await control.pool.query(
      `INSERT INTO tenants (slug, region, state, plan, isolation, server, schema_version, created_at, revision)
       VALUES ($1, $2, $3, $4, $5, 'shared-1', 1, now(), (SELECT coalesce(max(revision), 0) + 1 FROM tenants))`,
      [slug, region, state, plan, isolation],
    );
    return location;
  }

  async function makeData(
    location: DataLocation,
    titles: readonly string[],
    isolation: Isolation,
  ): Promise<void> {
    const verifier = scramVerifier("secret");
    const roles = statements.createRoles(location, { owner: verifier, app: verifier });
    const fill = `SET ROLE ${quoteIdentifier(location.ownerRole)};
      CREATE TABLE ${quoteIdentifier(location.schema)}.books (id serial PRIMARY KEY, title text NOT NULL UNIQUE);
      RESET ROLE;`;
    const insert = `INSERT INTO ${quoteIdentifier(location.schema)}.books (title) SELECT unnest($1::text[])`;
    if (isolation === "schema") {
      await tenantsDatabase.pool.query(
        roles + statements.createSchema(location) + statements.grantSchema(location) + fill,
      );
      await tenantsDatabase.pool.query(insert, [titles]);
      return;
    }
    extraDatabases.push(location.database);
    await tenantsDatabase.pool.query(roles);
    await tenantsDatabase.pool.query(`CREATE DATABASE ${quoteIdentifier(location.database)}`);
    const own = await openDatabase({ ...tenantsDatabase, name: location.database });
    await own.query(statements.takeOverDatabase(location) + statements.grantSchema(location) + fill);
    await own.query(insert, [titles]);
    await own.end();
  }

  return {
    platform,
    config,
    control,
    connection: connectionTo(control),
    objectsHandler: createObjectsHandler({ objects, signingKey, clock }),
    sent,
    tenantsDatabase,
    addTenant,
    async setState(slug, state) {
      await control.pool.query("UPDATE tenants SET state = $2, revision = revision + 1 WHERE slug = $1", [
        slug,
        state,
      ]);
    },
    async dispose() {
      await objects.close();
      for (const name of extraDatabases) {
        await tenantsDatabase.pool.query(`DROP DATABASE ${quoteIdentifier(name)} WITH (FORCE)`);
      }
      const roles = [...locations.flatMap(({ ownerRole, appRole }) => [appRole, ownerRole]), sharedRole];
      for (const role of roles)
        await tenantsDatabase.pool.query(`DROP OWNED BY ${quoteIdentifier(role)} CASCADE`);
      await tenantsDatabase.pool.query(`DROP ROLE ${roles.map(quoteIdentifier).join(", ")}`);
      await tenantsDatabase.drop();
      await control.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function connectionTo({ host, port, name }: Pick<TestDatabase, "host" | "port" | "name">): ConnectOptions {
  return {
    endpoint: { nodes: [{ host, port }] },
    database: name,
    credentials: { user: "postgres", password: "" },
    applicationName: "test",
  };
}

async function openDatabase(database: Pick<TestDatabase, "host" | "port" | "name">) {
  const { WriterPool } = await import("../../src/postgres/pool.ts");
  return new WriterPool(connectionTo(database));
}
