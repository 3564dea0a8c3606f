import { text } from "node:stream/consumers";
import { foundWorkflow } from "../../src/control/backup/found-workflow.ts";
import { foundWorkflowName, restoreWorkflowName } from "../../src/control/backup/restoration.ts";
import type { FoundInput, RestoreInput } from "../../src/control/backup/restore-input.ts";
import { restoreWorkflow } from "../../src/control/backup/restore-workflow.ts";
import { catalogueOf } from "../../src/control/backup/source.ts";
import { takeBackup } from "../../src/control/backup/take.ts";
import { copyEntries } from "../../src/control/directory.ts";
import { archiveKey } from "../../src/core/backup/key.ts";
import { filesPrefix } from "../../src/core/tenant/file-key.ts";
import type { WorkflowDefinition } from "../../src/ports/workflows.ts";
import {
  asTenant,
  makeTenantData,
  openRegionProgram,
  outcomeOf,
  Points,
  type RegionProgramOptions,
  type SagaOutcome,
  untilEnded,
} from "./region-program.ts";

/**
 * A process that makes a tenant, backs it up, changes everything, and restores it: into itself, or as a new tenant. It
 * prints what is there at the end, and dies by SIGKILL at every point before and after a step's work, and around its
 * undo, that no process before it has passed.
 */
export interface RestoreProcessOptions extends RegionProgramOptions {
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

export interface RestoreOutcome extends SagaOutcome {
  readonly tenants: Readonly<Record<string, FoundTenant>>;
  readonly backups: readonly string[];
}

const options = JSON.parse(process.argv[2] ?? "") as RestoreProcessOptions;
const { slug, attempt } = options;
const context = await openRegionProgram(options, {
  name: "us-east-1",
  tables: "CREATE TABLE books (title text PRIMARY KEY)",
});
const { pool, directory } = context;
const { workflows, objects } = context.platform;
const points = new Points(pool, slug);

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
  await makeTenantData(context, { slug, isolation: "schema" });
  await copyEntries(pool, [await directory.apply(slug, "activate")]);
  await pool.query(
    `INSERT INTO profiles (slug, name, administrator_email, settings) VALUES ($1, 'N', 'a@b.example', '{"a":1}')`,
    [slug],
  );
  await asTenant(context, slug, "INSERT INTO books VALUES ('Emma'), ('Persuasion')");
  await put("same.txt", "same");
  await put("changed.txt", "before");
  await put("deleted.txt", "deleted");
  await takeBackup(context, { slug, reason: "manual" });
  await asTenant(
    context,
    slug,
    "DELETE FROM books WHERE title = 'Emma'; INSERT INTO books VALUES ('Middlemarch')",
  );
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
  const titles = await asTenant<{ title: string }>(context, name, "SELECT title FROM books ORDER BY title");
  const { rows } = await pool.query("SELECT settings FROM profiles WHERE slug = $1", [name]);
  return {
    state: (await directory.find(name))?.state ?? null,
    titles: titles.map(({ title }) => title),
    files,
    settings: rows[0]?.settings ?? null,
  };
}

/** With its deaths, and the failure of the step that can't be taken back, where they are wanted. */
function deadly<Input>(definition: WorkflowDefinition<Input>, lastStep: string): WorkflowDefinition<Input> {
  const failsAt = options.fails ? lastStep : undefined;
  return options.dies ? points.deadly(definition, { prefix: `${attempt} `, failsAt }) : definition;
}

workflows.register(deadly(restoreWorkflow(context), "settle"));
workflows.register(deadly(foundWorkflow(context), "activate"));
await workflows.launch();
if (await points.isNew("tenant")) await makeTenant();
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
const execution = await untilEnded(workflows, input.id);
const names = options.as === undefined ? [slug] : [slug, options.as];
const outcome: RestoreOutcome = {
  ...outcomeOf(execution),
  tenants: Object.fromEntries(await Promise.all(names.map(async (name) => [name, await look(name)]))),
  backups: (await catalogueOf(context).list(slug)).map(
    ({ reason, rows, files }) => `${reason} ${rows} ${files}`,
  ),
};
console.log(JSON.stringify(outcome));
process.exit();
