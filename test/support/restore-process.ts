import { createHash } from "node:crypto";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { foundWorkflow } from "../../src/control/backup/found-workflow.ts";
import { foundWorkflowName, restoreWorkflowName } from "../../src/control/backup/restoration.ts";
import type { FoundInput, RestoreInput } from "../../src/control/backup/restore-input.ts";
import { restoreWorkflow } from "../../src/control/backup/restore-workflow.ts";
import { catalogueOf } from "../../src/control/backup/source.ts";
import { takeBackup } from "../../src/control/backup/take.ts";
import { copyEntries, Directory } from "../../src/control/directory.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import { Relocation } from "../../src/control/relocation/relocation.ts";
import { Administration } from "../../src/control/tenant-data/administration.ts";
import { Locations } from "../../src/control/tenant-data/locations.ts";
import { TenantData } from "../../src/control/tenant-data/tenant-data.ts";
import { TenantOperations } from "../../src/control/tenant-operation.ts";
import { archiveKey } from "../../src/core/backup/key.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import type { ConfigInput } from "../../src/core/config/schema.ts";
import { fault } from "../../src/core/error.ts";
import { orderMigrations } from "../../src/core/migration/plan.ts";
import { filesPrefix } from "../../src/core/tenant/file-key.ts";
import { hasEnded } from "../../src/core/workflow/state.ts";
import { createCache } from "../../src/embedded/cache.ts";
import { createSystemClock, createSystemRandom } from "../../src/embedded/clock.ts";
import { createDns } from "../../src/embedded/dns.ts";
import { createIntegrations } from "../../src/embedded/integrations.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createObjects } from "../../src/embedded/objects.ts";
import { createWorkflows } from "../../src/embedded/workflows.ts";
import type { Databases } from "../../src/ports/databases.ts";
import type { RegionPlatform } from "../../src/ports/platform.ts";
import type { WorkflowDefinition } from "../../src/ports/workflows.ts";
import { connect } from "../../src/postgres/connect.ts";
import { WriterPool } from "../../src/postgres/pool.ts";

/**
 * A process that makes a tenant, backs it up, changes everything, and restores it: into itself, or as a new tenant. It
 * prints what is there at the end, and dies by SIGKILL at every point before and after a step's work, and around its
 * undo, that no process before it has passed.
 */
export interface RestoreProcessOptions {
  readonly node: { readonly host: string; readonly port: number };
  readonly directoryDatabase: string;
  readonly regionDatabase: string;
  readonly folder: string;
  readonly config: ConfigInput;
  readonly slug: string;
  /** The slug of the new tenant. */
  readonly as?: string;
  /** Tells one restore from the next. */
  readonly attempt: string;
  /** The last step that can be taken back is done, and then the next one fails. */
  readonly fails: boolean;
  /** False: it runs through without a death. */
  readonly dies: boolean;
}

/** What someone finds who looks at a tenant. */
export interface FoundTenant {
  readonly state: string | null;
  readonly titles: readonly string[];
  readonly files: Readonly<Record<string, string>>;
  readonly settings: unknown;
}

export interface RestoreOutcome {
  readonly state: string;
  readonly error: string | null;
  readonly tenants: Readonly<Record<string, FoundTenant>>;
  readonly backups: readonly string[];
}

const options = JSON.parse(process.argv[2] ?? "") as RestoreProcessOptions;
const { slug, attempt } = options;
const config = parseConfig(options.config);
const endpoint = { nodes: [options.node] };
const administrator = { user: "postgres", password: "" };
const applicationName = "restore";
const connection = {
  endpoint,
  database: options.regionDatabase,
  credentials: administrator,
  applicationName,
};
const pool = new WriterPool(connection);
const directoryPool = new WriterPool({ ...connection, database: options.directoryDatabase });
const [clock, random] = [createSystemClock(), createSystemRandom()];
const keys = await createKeys({ file: join(options.folder, "keys.json"), random });
const server = { name: "shared-1", status: "available", primary: null, standby: null } as const;
const databases: Databases = {
  create: async () => {},
  endpoint: async () => endpoint,
  administrator: async () => administrator,
  describe: async () => server,
  list: async () => [server],
  failOver: async () => {},
  delete: async () => {},
};
const administration = new Administration(databases);
const locations = new Locations({ pool, keys, random });
const tenantData = new TenantData({
  databases,
  administration,
  locations,
  keys,
  regionPool: pool,
  zones: ["a", "b"],
});
await tenantData.prepareSharedServer("shared-1");
const directory = new Directory(directoryPool);
const objects = await createObjects({
  folder: join(options.folder, "objects"),
  signingKey: "a secret",
  clock,
});
const workflows = createWorkflows({ connection, name: slug, clock });
const migrations = orderMigrations(
  ["CREATE TABLE books (title text PRIMARY KEY)"].map((sql) => ({
    file: "0001_books.sql",
    sql,
    sha256: createHash("sha256").update(sql).digest("hex"),
  })),
);

const context: RegionContext = {
  name: "us-east-1",
  config,
  region: config.regions["us-east-1"]!,
  platform: {
    region: "us-east-1",
    clock,
    random,
    keys,
    databases,
    objects,
    workflows,
    cache: createCache({ pool }),
    integrations: createIntegrations({ config: config.integrations, clock }),
    dns: createDns({ pool: directoryPool, zone: config.domain }),
    // A restore touches no other port.
  } as unknown as RegionPlatform,
  pool,
  directory,
  administration,
  locations,
  tenantData,
  operations: new TenantOperations(pool),
  relocation: new Relocation({
    clock,
    pool,
    directory,
    administration,
    locations,
    connectionsOf: () => "own",
  }),
  peer: (region) => {
    throw new Error(`A restore asks nobody in ${region}`);
  },
  release: () => ({ version: "v1", sha256: "", migrations, migrationsFingerprint: "m1" }),
  seed: async () => {},
  tenantUrl: (name) => `http://${name}.localhost/`,
};

async function isNew(point: string): Promise<boolean> {
  const { rowCount } = await pool.query("INSERT INTO points VALUES ($1, $2) ON CONFLICT DO NOTHING", [
    slug,
    point,
  ]);
  return rowCount === 1;
}

async function dieOnce(point: string): Promise<void> {
  if (options.dies && (await isNew(`${attempt} ${point}`))) process.kill(process.pid, "SIGKILL");
}

/** Runs SQL with the tenant's own login, as an instance does. */
async function asTenant<Row>(name: string, sql: string): Promise<Row[]> {
  const location = await locations.find(name);
  if (!location) return [];
  const password = await locations.openPassword(location.appRole, location.appPassword);
  const { database, appRole: user } = location;
  const client = await connect({ endpoint, database, credentials: { user, password }, applicationName });
  return client
    .query(sql)
    .then(({ rows }) => rows as Row[])
    .finally(() => client.end());
}

const put = (key: string, body: string) =>
  objects.put({ key: filesPrefix(slug) + key, body: Buffer.from(body), contentType: "text/plain" });

async function makeTenant(): Promise<void> {
  await directory.reserve({
    slug,
    region: "us-east-1",
    plan: "starter",
    isolation: "schema",
    signupId: slug,
  });
  const location = await locations.insert({
    slug,
    isolation: "schema",
    server: "shared-1",
    migrations: "m1",
  });
  await tenantData.create(location, "own");
  const schemaVersion = await tenantData.migrate(location, migrations);
  await directory.place(slug, { server: location.server, schemaVersion });
  await copyEntries(pool, [await directory.apply(slug, "activate")]);
  await pool.query(
    `INSERT INTO profiles (slug, name, administrator_email, settings) VALUES ($1, 'N', 'a@b.example', '{"a":1}')`,
    [slug],
  );
  await asTenant(slug, "INSERT INTO books VALUES ('Emma'), ('Persuasion')");
  await put("same.txt", "same");
  await put("changed.txt", "before");
  await put("deleted.txt", "deleted");
  await takeBackup(context, { slug, reason: "manual" });
  await asTenant(slug, "DELETE FROM books WHERE title = 'Emma'; INSERT INTO books VALUES ('Middlemarch')");
  await put("changed.txt", "after");
  await put("new.txt", "new");
  await objects.delete(`${filesPrefix(slug)}deleted.txt`);
  await pool.query(`UPDATE profiles SET settings = '{"a":2}' WHERE slug = $1`, [slug]);
}

async function look(name: string): Promise<FoundTenant> {
  const files: Record<string, string> = {};
  for (const { key } of (await objects.list({ prefix: filesPrefix(name) })).objects) {
    const found = await objects.get(key);
    files[key.slice(filesPrefix(name).length)] = found ? await text(found.body) : "";
  }
  const titles = await asTenant<{ title: string }>(name, "SELECT title FROM books ORDER BY title");
  const { rows } = await pool.query("SELECT settings FROM profiles WHERE slug = $1", [name]);
  return {
    state: (await directory.find(name))?.state ?? null,
    titles: titles.map(({ title }) => title),
    files,
    settings: rows[0]?.settings ?? null,
  };
}

/** The same steps, with a death at each point; the one that can't be taken back fails where it is to. */
function deadly<Input>(definition: WorkflowDefinition<Input>, lastStep: string): WorkflowDefinition<Input> {
  return {
    name: definition.name,
    steps: definition.steps.map((step) => {
      const { undo } = step;
      return {
        ...step,
        run: async (input, results) => {
          await dieOnce(`before ${step.name}`);
          if (options.fails && step.name === lastStep) throw fault("E_QUOTA", "There is no room.");
          const result = await step.run(input, results);
          await dieOnce(`after ${step.name}`);
          return result;
        },
        ...(undo && {
          undo: async (input, results) => {
            await dieOnce(`before undo ${step.name}`);
            await undo(input, results);
            await dieOnce(`after undo ${step.name}`);
          },
        }),
      };
    }),
  };
}

workflows.register(deadly(restoreWorkflow(context), "settle"));
workflows.register(deadly(foundWorkflow(context), "activate"));
await workflows.launch();
if (await isNew("tenant")) await makeTenant();
const backups = await catalogueOf(context).list(slug);
const backup = backups.find(({ reason }) => reason === "manual");
if (!backup) throw new Error("There is no backup.");
const input = {
  id: `us-east-1.${attempt}`,
  kind: "restore",
  source: { key: archiveKey(backup), sealedFor: slug },
  origin: { backup: backup.id, takenAt: backup.takenAt.toISOString(), at: null },
} as const;
if (options.as === undefined)
  await workflows.start(restoreWorkflowName, input.id, {
    ...input,
    slug,
    from: "active",
    beforeId: `before-${attempt}`,
  } satisfies RestoreInput);
else
  await workflows.start(foundWorkflowName, input.id, {
    ...input,
    slug: options.as,
    name: "N",
    region: "us-east-1",
    plan: "starter",
    email: "a@b.example",
  } satisfies FoundInput);
for (let seen = 0; ; ) {
  const execution = await workflows.waitForChange(input.id, seen, 10);
  seen = execution?.history.length ?? 0;
  if (!execution || !hasEnded(execution.state)) continue;
  const names = options.as === undefined ? [slug] : [slug, options.as];
  const outcome: RestoreOutcome = {
    state: execution.state,
    error: execution.error?.message ?? null,
    tenants: Object.fromEntries(await Promise.all(names.map(async (name) => [name, await look(name)]))),
    backups: (await catalogueOf(context).list(slug)).map(
      ({ reason, rows, files }) => `${reason} ${rows} ${files}`,
    ),
  };
  console.log(JSON.stringify(outcome));
  process.exit();
}
