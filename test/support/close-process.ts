import { join } from "node:path";
import { type CloseInput, closeWorkflow, closeWorkflowName } from "../../src/control/close/workflow.ts";
import { TenantWorkflows } from "../../src/control/tenant-workflows.ts";
import { createObjects } from "../../src/embedded/objects.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import {
  makeTenantData,
  openRegionProgram,
  Points,
  type RegionProgramOptions,
  runToEnd,
  signingKey,
} from "./region-program.ts";

/**
 * A process that makes a tenant with some of everything, closes it, prints the closing's end, and dies by SIGKILL at
 * every point before and after a step's work that no process before it has passed.
 */
export interface CloseProcessOptions extends RegionProgramOptions {
  /** The tenant's schema is dropped behind the platform's back. */
  readonly broken: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as CloseProcessOptions;
const { slug } = options;
const recoveryObjects = await createObjects({
  folder: join(options.folder, "recovery-objects"),
  signingKey,
  clock: createSystemClock(),
});
const context = await openRegionProgram(options, {
  name: "us-east-1",
  tables: "CREATE TABLE books (title text PRIMARY KEY)",
  recovery: { region: "us-west-2", objects: recoveryObjects },
});
const { config, platform, pool, directory, administration } = context;
const { workflows, objects, clock } = platform;
const points = new Points(pool, slug);

/** Some of everything that a tenant can have, under an e-mail address that is nowhere else. */
async function makeTenant(): Promise<void> {
  const email = `someone@${slug}.example`;
  const id = `signup-of-${slug}`;
  await directory.reserve({ slug, region: "us-east-1", plan: "starter", isolation: "schema", signupId: id });
  await new TenantWorkflows({ pool, workflows, clock }).note(slug, id);
  await workflows.start("signup", id, { slug, email });
  await workflows.waitForChange(id, 0, 10);
  const location = await makeTenantData(context, { slug, isolation: "schema" });
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

workflows.register({ name: "signup", steps: [{ name: "one", title: "One", run: async () => "done" }] });
workflows.register<CloseInput>(points.deadly(closeWorkflow(context)));
await workflows.launch();
if (await points.isNew("tenant")) await makeTenant();
const id = `close-of-${slug}`;
const input = { slug, id, askedBy: "first", withoutExport: false };
const { outcome } = await runToEnd<CloseInput>(workflows, closeWorkflowName, input);
console.log(JSON.stringify(outcome));
process.exit();
