import { createHash } from "node:crypto";
import { join } from "node:path";
import { type CloseInput, closeWorkflow, closeWorkflowName } from "../../src/control/close/workflow.ts";
import { Directory } from "../../src/control/directory.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import { Relocation } from "../../src/control/relocation/relocation.ts";
import { Administration } from "../../src/control/tenant-data/administration.ts";
import { Locations } from "../../src/control/tenant-data/locations.ts";
import { TenantData } from "../../src/control/tenant-data/tenant-data.ts";
import { TenantOperations } from "../../src/control/tenant-operation.ts";
import { TenantWorkflows } from "../../src/control/tenant-workflows.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import type { ConfigInput } from "../../src/core/config/schema.ts";
import { orderMigrations } from "../../src/core/migration/plan.ts";
import { createCache } from "../../src/embedded/cache.ts";
import { createSystemClock, createSystemRandom } from "../../src/embedded/clock.ts";
import { createDns } from "../../src/embedded/dns.ts";
import { createIntegrations } from "../../src/embedded/integrations.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createMail } from "../../src/embedded/mail.ts";
import { createObjects } from "../../src/embedded/objects.ts";
import { createQueues } from "../../src/embedded/queues.ts";
import { createWorkflows } from "../../src/embedded/workflows.ts";
import type { Databases } from "../../src/ports/databases.ts";
import type { RegionPlatform } from "../../src/ports/platform.ts";
import { WriterPool } from "../../src/postgres/pool.ts";

/**
 * A process that makes a tenant with some of everything, closes it, prints the closing's end, and dies by SIGKILL at
 * every point before and after a step's work that no process before it has passed.
 */
export interface CloseProcessOptions {
  readonly node: { readonly host: string; readonly port: number };
  readonly directoryDatabase: string;
  readonly regionDatabase: string;
  readonly folder: string;
  readonly config: ConfigInput;
  readonly slug: string;
  /** The tenant's schema is dropped behind the platform's back. */
  readonly broken: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as CloseProcessOptions;
const { slug } = options;
const config = parseConfig(options.config);
const endpoint = { nodes: [options.node] };
const administrator = { user: "postgres", password: "" };
const regionConnection = {
  endpoint,
  database: options.regionDatabase,
  credentials: administrator,
  applicationName: "close",
};
const pool = new WriterPool(regionConnection);
const directoryPool = new WriterPool({ ...regionConnection, database: options.directoryDatabase });
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
const workflows = createWorkflows({ connection: regionConnection, name: slug, clock });
const directory = new Directory(directoryPool);
const signingKey = "a secret of the region";
const openObjects = (name: string) =>
  createObjects({ folder: join(options.folder, name), signingKey, clock });
const [objects, recoveryObjects] = [await openObjects("objects"), await openObjects("recovery-objects")];
const platform = {
  region: "us-east-1",
  clock,
  random,
  keys,
  databases,
  workflows,
  objects,
  recovery: { region: "us-west-2", objects: recoveryObjects },
  cache: createCache({ pool }),
  queues: createQueues({ pool, clock }),
  mail: createMail({ pool, clock }),
  integrations: createIntegrations({ config: config.integrations, clock }),
  dns: createDns({ pool: directoryPool, zone: config.domain }),
  // The closing touches no other port.
} as unknown as RegionPlatform;
const sql = "CREATE TABLE books (title text PRIMARY KEY)";
const sha256 = createHash("sha256").update(sql).digest("hex");
const migrations = orderMigrations([{ file: "0001_books.sql", sql, sha256 }]);

const context: RegionContext = {
  name: "us-east-1",
  config,
  region: config.regions["us-east-1"]!,
  platform,
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
  peer: () => {
    throw new Error("Nobody else runs");
  },
  release: () => ({ version: "v1", sha256: "", migrations, migrationsFingerprint: "m1" }),
  seed: async () => {},
  tenantUrl: () => "http://localhost/",
};

async function isNew(point: string): Promise<boolean> {
  const { rowCount } = await pool.query("INSERT INTO points VALUES ($1, $2) ON CONFLICT DO NOTHING", [
    slug,
    point,
  ]);
  return rowCount === 1;
}

async function dieOnce(point: string): Promise<void> {
  if (await isNew(point)) process.kill(process.pid, "SIGKILL");
}

/** Some of everything that a tenant can have, under an e-mail address that is nowhere else. */
async function makeTenant(): Promise<void> {
  const email = `someone@${slug}.example`;
  const id = `signup-of-${slug}`;
  await directory.reserve({ slug, region: "us-east-1", plan: "starter", isolation: "schema", signupId: id });
  await new TenantWorkflows({ pool, workflows, clock }).note(slug, id);
  await workflows.start("signup", id, { slug, email });
  await workflows.waitForChange(id, 0, 10);
  const location = await locations.allocate({
    slug,
    isolation: "schema",
    server: "shared-1",
    migrations: "m1",
  });
  await tenantData.create(location, "own");
  const schemaVersion = await tenantData.migrate(location, migrations);
  await directory.place(slug, { server: location.server, schemaVersion });
  const rows = await administration.pool(location.server, location.database);
  await rows.query(
    `INSERT INTO "${location.schema}".books SELECT 'Volume ' || n FROM generate_series(1, 7) n`,
  );
  await pool.query("INSERT INTO profiles (slug, name, administrator_email) VALUES ($1, 'N', $2)", [
    slug,
    email,
  ]);
  await pool.query("INSERT INTO administrators (slug, email) VALUES ($1, $2)", [slug, email]);
  for (const body of ["old", "new"])
    await objects.put({ key: `tenants/${slug}/a.txt`, body: Buffer.from(`${body} ${email}`) });
  await objects.put({ key: `tenants/${slug}/hidden.txt`, body: Buffer.from(email) });
  await objects.delete(`tenants/${slug}/hidden.txt`);
  for (const place of [objects, recoveryObjects])
    await place.put({ key: `backups/${slug}/b1/archive`, body: Buffer.from("sealed") });
  await platform.cache.set({ tenant: slug, key: "k" }, email, { ttlSeconds: 600 });
  await platform.queues.ensure("jobs", { visibilityTimeoutSeconds: 60, maxReceives: 5 });
  for (const delaySeconds of [0, 600])
    await platform.queues.send("jobs", JSON.stringify({ email }), { tenant: slug, delaySeconds });
  await platform.mail.send({
    tenant: slug,
    from: "shop@bookshop.example",
    to: email,
    subject: "Hello",
    text: "Hello",
    idempotencyKey: "1",
  });
  await platform.dns.upsert({
    name: `${slug}.${config.domain}`,
    type: "CNAME",
    ttlSeconds: 60,
    values: [`us-east-1.regions.${config.domain}`],
  });
  await directory.apply(slug, "activate");
  if (options.broken) await rows.query(`DROP SCHEMA "${location.schema}" CASCADE`);
}

const definition = closeWorkflow(context);
workflows.register({ name: "signup", steps: [{ name: "one", title: "One", run: async () => "done" }] });
workflows.register<CloseInput>({
  name: definition.name,
  steps: definition.steps.map((step) => ({
    ...step,
    run: async (input, results) => {
      await dieOnce(`before ${step.name}`);
      const result = await step.run(input, results);
      await dieOnce(`after ${step.name}`);
      return result;
    },
  })),
});
await workflows.launch();
if (await isNew("tenant")) await makeTenant();
const id = `close-of-${slug}`;
await workflows.start(closeWorkflowName, id, { slug, id, askedBy: "first", withoutExport: false });
for (let seen = 0; ; ) {
  const execution = await workflows.waitForChange(id, seen, 10);
  seen = execution?.history.length ?? 0;
  if (execution?.state !== "completed" && execution?.state !== "failed") continue;
  console.log(JSON.stringify({ state: execution.state, error: execution.error?.message ?? null }));
  process.exit();
}
