import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareControlSchema } from "../src/control/schema.ts";
import * as statements from "../src/control/tenant-data/statements.ts";
import type { DataLocation } from "../src/core/tenant/tenant.ts";
import { createKeys } from "../src/embedded/keys.ts";
import { renderConfiguration } from "../src/embedded/postgres/configuration.ts";
import { createSystemRandom } from "../src/node/clock.ts";
import type { Keys } from "../src/ports/keys.ts";
import { WriterPool } from "../src/postgres/pool.ts";
import { scramVerifier } from "../src/postgres/scram.ts";
import { startThrowawayPostgres } from "../test/support/throwaway-postgres.ts";

/** The tenants of each kind, `<kind>-0` being the busiest. */
export const tenantsPerKind = 200;
export const rowsPerTenant = 100;
export const kinds = ["database", "schema", "shared"] as const;
export type Kind = (typeof kinds)[number];

/** What the processes under test are told. */
export interface BenchData {
  readonly host: string;
  readonly port: number;
  readonly postgresPid: number;
  /** Of every role. */
  readonly password: string;
  readonly keysFile: string;
  readonly locations: Readonly<Record<Kind, readonly DataLocation[]>>;
}

const password = "a-secret-of-the-benchmark-alone";
const sharedRole = "rowhouse_shared";
const table = "CREATE TABLE books (id integer PRIMARY KEY, title text NOT NULL, author text NOT NULL)";
const fill = `INSERT INTO books SELECT n, 'Title ' || n, 'Author ' || n FROM generate_series(1, ${rowsPerTenant}) n`;

export interface BenchPostgres {
  readonly port: number;
  readonly pid: number;
  /** For what else the benchmark writes. */
  readonly folder: string;
  stop(): Promise<void>;
}

/** A real Postgres with the embedded mode's settings, in a folder that goes away with it. */
export async function startPostgres(port: number): Promise<BenchPostgres> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-bench-"));
  const role = { kind: "primary", waitsFor: null } as const;
  const server = await startThrowawayPostgres({
    name: "rowhouse-bench-postgres-",
    port,
    configure: async (data) => {
      await writeFile(
        join(data, "postgresql.conf"),
        renderConfiguration({ title: "bench", size: "shared", host: "127.0.0.1", port, role }),
      );
      await writeFile(
        join(data, "pg_hba.conf"),
        "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n",
      );
    },
    // Immediate: a checkpoint of what is thrown away would take longer than a turn.
    stopSignal: "SIGQUIT",
  });
  return {
    port,
    pid: server.pid,
    folder,
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Makes 200 tenants of each kind, a region's control database that knows them, and a database for the bare server. */
export async function createData({ port, pid, folder }: BenchPostgres): Promise<BenchData> {
  const keysFile = join(folder, "keys.json");
  const keys = await createKeys({ file: keysFile, random: createSystemRandom() });
  const maintenance = openPool(port, "postgres");
  for (const name of ["control", "bare", "tenants", "tenant_template"])
    await maintenance.query(`CREATE DATABASE ${name}`);
  const [control, bare, tenants, template] = ["control", "bare", "tenants", "tenant_template"].map((name) =>
    openPool(port, name),
  ) as [WriterPool, WriterPool, WriterPool, WriterPool];
  await prepareControlSchema(control, "region");
  await bare.query(`${table}; ${fill}; ANALYZE books`);
  await template.query(`${table}; ${fill}; ANALYZE books`);
  await template.end();
  await maintenance.query(`CREATE ROLE ${sharedRole} LOGIN NOINHERIT PASSWORD '${scramVerifier(password)}'`);
  await maintenance.query(`CREATE ROLE ${statements.visitorRole} NOLOGIN`);
  const locations: Record<Kind, DataLocation[]> = { database: [], schema: [], shared: [] };
  for (const kind of kinds) {
    for (let i = 0; i < tenantsPerKind; i++) {
      const location = locate(kind, i);
      locations[kind].push(location);
      if (kind === "database") await createDatabase(maintenance, port, location);
      else await createSchema(tenants, location, kind);
      await register(control, keys, { slug: `${kind}-${i}`, kind, location });
    }
  }
  await control.query("INSERT INTO shared_logins VALUES ('shared-1', 'tenants', $1, $2)", [
    sharedRole,
    await seal(keys, sharedRole),
  ]);
  await tenants.query("ANALYZE");
  await Promise.all([maintenance, control, bare, tenants].map((pool) => pool.end()));
  return { host: "127.0.0.1", port, postgresPid: pid, password, keysFile, locations };
}

function openPool(port: number, database: string): WriterPool {
  return new WriterPool({
    endpoint: { nodes: [{ host: "127.0.0.1", port }] },
    database,
    credentials: { user: "postgres", password: "" },
    applicationName: "bench",
    max: 2,
  });
}

function locate(kind: Kind, index: number): DataLocation {
  const name = `t_${kind}_${index}`;
  return {
    server: "shared-1",
    database: kind === "database" ? name : "tenants",
    schema: kind === "database" ? "public" : name,
    ownerRole: `${name}_owner`,
    appRole: `${name}_app`,
  };
}

async function createDatabase(maintenance: WriterPool, port: number, location: DataLocation): Promise<void> {
  await maintenance.query(statements.createRoles(location, verifiers()));
  await maintenance.query(`CREATE DATABASE ${location.database} TEMPLATE tenant_template`);
  const own = openPool(port, location.database);
  await own.query(`${statements.takeOverDatabase(location)}${statements.grantSchema(location)}
    GRANT SELECT ON books TO ${location.appRole}`);
  await own.end();
}

async function createSchema(tenants: WriterPool, location: DataLocation, kind: Kind): Promise<void> {
  const { schema, appRole } = location;
  await tenants.query(`${statements.createRoles(location, verifiers())}${statements.createSchema(location)}${statements.grantSchema(location)}
    SET search_path = ${schema}; ${table}; ${fill}; RESET search_path;
    GRANT SELECT ON ${schema}.books TO ${appRole};
    ${kind === "shared" ? `GRANT ${appRole} TO ${sharedRole} WITH INHERIT FALSE, SET TRUE` : ""}`);
}

async function register(
  control: WriterPool,
  keys: Keys,
  tenant: { readonly slug: string; readonly kind: Kind; readonly location: DataLocation },
): Promise<void> {
  const { slug, kind, location } = tenant;
  const isolation = kind === "database" ? "database" : "schema";
  await control.query(
    `INSERT INTO data_locations (id, slug, isolation, server, database, schema, owner_role, owner_password, app_role, app_password, ready)
     VALUES ($1, $1, $2, $3, $4, $5, $6, '', $7, $8, true)`,
    [
      slug,
      isolation,
      location.server,
      location.database,
      location.schema,
      location.ownerRole,
      location.appRole,
      await seal(keys, location.appRole),
    ],
  );
  await control.query(
    `INSERT INTO tenants (slug, region, state, plan, isolation, server, schema_version, created_at, revision)
     VALUES ($1, 'eu-west-1', 'active', $2, $3, 'shared-1', 1, now(), 1)`,
    [slug, kind, isolation],
  );
}

function verifiers(): statements.Verifiers {
  return { owner: scramVerifier(password), app: scramVerifier(password) };
}

function seal(keys: Keys, role: string): Promise<string> {
  return keys.encrypt(password, { purpose: "tenant-role", role });
}
