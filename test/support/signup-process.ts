import { createHash } from "node:crypto";
import { join } from "node:path";
import { Directory } from "../../src/control/directory.ts";
import type { RegionContext } from "../../src/control/region-context.ts";
import { Relocation } from "../../src/control/relocation/relocation.ts";
import {
  type SignupWorkflowInput,
  signupWorkflow,
  signupWorkflowName,
} from "../../src/control/signup/workflow.ts";
import { Administration } from "../../src/control/tenant-data/administration.ts";
import { Locations } from "../../src/control/tenant-data/locations.ts";
import { TenantData } from "../../src/control/tenant-data/tenant-data.ts";
import { TenantOperations } from "../../src/control/tenant-operation.ts";
import { parseConfig } from "../../src/core/config/parse.ts";
import type { ConfigInput } from "../../src/core/config/schema.ts";
import { fault } from "../../src/core/error.ts";
import { orderMigrations } from "../../src/core/migration/plan.ts";
import { createSystemClock, createSystemRandom } from "../../src/embedded/clock.ts";
import { createDns } from "../../src/embedded/dns.ts";
import { createIntegrations } from "../../src/embedded/integrations.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createMail } from "../../src/embedded/mail.ts";
import { createWorkflows } from "../../src/embedded/workflows.ts";
import type { Databases } from "../../src/ports/databases.ts";
import type { RegionPlatform } from "../../src/ports/platform.ts";
import { connect } from "../../src/postgres/connect.ts";
import { WriterPool } from "../../src/postgres/pool.ts";

/**
 * A process that signs one tenant up to the end, prints the outcome, and dies by SIGKILL at every point before and
 * after a step's work, and around its undo, that no process before it has passed.
 */
export interface SignupProcessOptions {
  readonly node: { readonly host: string; readonly port: number };
  readonly directoryDatabase: string;
  readonly regionDatabase: string;
  readonly folder: string;
  readonly config: ConfigInput;
  readonly slug: string;
  readonly plan: string;
  /** The last step's work is done, and then it fails. */
  readonly fails: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as SignupProcessOptions;
const config = parseConfig(options.config);
const endpoint = { nodes: [options.node] };
const administrator = { user: "postgres", password: "" };
const applicationName = "signup";
const regionConnection = {
  endpoint,
  database: options.regionDatabase,
  credentials: administrator,
  applicationName,
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
const workflows = createWorkflows({ connection: regionConnection, name: options.slug, clock });
const sql = "CREATE TABLE books (title text PRIMARY KEY)";
const sha256 = createHash("sha256").update(sql).digest("hex");

const directory = new Directory(directoryPool);
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
    workflows,
    mail: createMail({ pool, clock }),
    integrations: createIntegrations({ config: config.integrations, clock }),
    dns: createDns({ pool: directoryPool, zone: config.domain }),
    // The sign-up's steps touch no other port.
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
    throw new Error(`A sign-up asks nobody in ${region}`);
  },
  release: () => ({
    version: "v1",
    sha256: "",
    migrations: orderMigrations([{ file: "0001_books.sql", sql, sha256 }]),
    migrationsFingerprint: "m1",
  }),
  seed: async (slug) => {
    const location = await locations.find(slug);
    if (!location) throw new Error("no location");
    const password = await locations.openPassword(location.appRole, location.appPassword);
    const { database, appRole } = location;
    const client = await connect({
      endpoint,
      database,
      credentials: { user: appRole, password },
      applicationName,
    });
    await client
      .query("INSERT INTO books VALUES ('Emma') ON CONFLICT DO NOTHING")
      .finally(() => client.end());
  },
  tenantUrl: (slug) => `http://${slug}.localhost/`,
};

async function dieOnce(point: string): Promise<void> {
  const { rowCount } = await pool.query("INSERT INTO points VALUES ($1, $2) ON CONFLICT DO NOTHING", [
    options.slug,
    point,
  ]);
  if (rowCount === 1) process.kill(process.pid, "SIGKILL");
}

const definition = signupWorkflow(context);
const last = definition.steps.at(-1)?.name;
workflows.register<SignupWorkflowInput>({
  name: definition.name,
  steps: definition.steps.map((step) => {
    const { undo } = step;
    return {
      ...step,
      run: async (input, results) => {
        await dieOnce(`before ${step.name}`);
        if (options.fails && step.name === last) throw fault("E_QUOTA", "There is no room.");
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
});
await workflows.launch();
const id = `us-east-1.${options.slug}`;
const { slug, plan } = options;
await workflows.start(signupWorkflowName, id, {
  id,
  slug,
  plan,
  name: "N",
  region: "us-east-1",
  email: "a@b.example",
});
for (let seen = 0; ; ) {
  const execution = await workflows.waitForChange(id, seen, 10);
  seen = execution?.history.length ?? 0;
  if (execution?.state !== "completed" && execution?.state !== "failed") continue;
  console.log(JSON.stringify({ state: execution.state, error: execution.error?.message ?? null }));
  process.exit();
}
