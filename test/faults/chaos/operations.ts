import type { MigrateDocument } from "../../../src/control/migration/run.ts";
import type { TenantDocument } from "../../../src/control/tenant-document.ts";
import type { Perform } from "./faults.ts";
import { writeOnce } from "./load.ts";
import { alone, bringUp, type Operation, operate, type Stage, until } from "./operate.ts";
import type { Action, fleetKinds, tenantKinds } from "./plan.ts";
import { pick } from "./random.ts";
import { type ChaosTenant, plans, regions } from "./world.ts";

export const fleetOperations: Readonly<Record<(typeof fleetKinds)[number], Perform>> = {
  "fail-over": async (stage, { choice }) => {
    const status = await until("a status", () => stage.world.system.status());
    const names = status.regions.flatMap(({ name, databases }) =>
      databases.map((one) => `${name}/${one.name}`),
    );
    const server = pick(names, choice) ?? "";
    return `${server}: ${outcomeOf(await operate(stage.world, "database", "fail-over", server, "--yes"))}`;
  },
  // The application with more migrations becomes a release when the supervisor starts.
  migrate: async (stage) => {
    const target = await alone(stage, async () => {
      const number = await stage.world.addMigrations();
      const { pid } = await until("the supervisor's pid", () => stage.world.system.status());
      process.kill(pid, "SIGKILL");
      await bringUp(stage);
      return number;
    });
    const run = await operate<MigrateDocument>(stage.world, "migrate", "run", "--max-failures", "1000");
    if (!run.document) return `to ${target}: ${outcomeOf(run)}`;
    const { applied, skipped, failed, later } = run.document;
    return `to ${target}: ${applied} applied, ${skipped} skipped, ${failed.length} failed, ${later.length} later`;
  },
};

export const tenantOperations: Readonly<Record<(typeof tenantKinds)[number], Perform>> = {
  "suspend-resume": onTenant(async (stage, tenant) => {
    const from = stage.world.now();
    tenant.isSuspended = true;
    const suspended = await operate(stage.world, "tenant", "suspend", tenant.slug);
    const resumed = await until(`tenant resume ${tenant.slug}`, async () => {
      const operation = await operate(stage.world, "tenant", "resume", tenant.slug);
      return operation.ok && operation;
    });
    tenant.isSuspended = false;
    tenant.suspensions.push({ from, to: stage.world.now() });
    return `${outcomeOf(suspended)}, ${outcomeOf(resumed)}`;
  }),
  "move-region": onTenant(async (stage, tenant) => {
    const { region } = await show(stage, tenant);
    return move(stage, tenant, ["--region", regions.find((name) => name !== region) ?? ""]);
  }),
  "move-plan": onTenant(async (stage, tenant, { choice }) => {
    const { plan } = await show(stage, tenant);
    return move(stage, tenant, [
      "--plan",
      pick(
        plans.filter((name) => name !== plan),
        choice,
      ) ?? "",
    ]);
  }),
  backup: onTenant(async (stage, tenant) => outcomeOf(await backUp(stage, tenant))),
  "restore-copy": onTenant(async (stage, tenant) => {
    const backup = await backUp(stage, tenant);
    if (!backup.document) return `no backup: ${outcomeOf(backup)}`;
    const copy = `${tenant.slug}-copy${stage.world.copies.length + 1}`;
    const args = ["tenant", "restore", tenant.slug, "--backup", backup.document.id, "--as", copy];
    const restored = await operate(stage.world, ...args, "--yes");
    const { from, to } = backup;
    if (await exists(stage, copy)) stage.world.copies.push({ slug: copy, of: tenant, backup: { from, to } });
    return `${copy}: ${outcomeOf(restored)}`;
  }),
  restore: onTenant(async (stage, tenant) => {
    const backup = await backUp(stage, tenant);
    if (!backup.document) return `no backup: ${outcomeOf(backup)}`;
    await marker(stage, tenant);
    tenant.isRestoring = true;
    try {
      const args = ["tenant", "restore", tenant.slug, "--backup", backup.document.id];
      const restored = await operate(stage.world, ...args, "--yes");
      await idle(stage, tenant);
      const to = stage.world.now();
      const isBack = !(await hasMarker(stage, tenant, backup.to, restored.from));
      if (restored.ok && !isBack)
        throw new Error(`The restore of ${tenant.slug} left what came after the backup.`);
      if (isBack) tenant.ledger.restored({ from: backup.from, to: backup.to }, { from: restored.from, to });
      return `${outcomeOf(restored)}, ${isBack ? "taken back" : "as it was"}`;
    } finally {
      tenant.isRestoring = false;
    }
  }),
};

type OnTenant = (stage: Stage, tenant: ChaosTenant, action: Action) => Promise<string>;

function onTenant(perform: OnTenant): Perform {
  return (stage, action) => {
    const tenant = stage.world.tenants.find(({ slug }) => slug === action.slug);
    if (!tenant) throw new Error(`There is no tenant ${action.slug}.`);
    return perform(stage, tenant, action);
  };
}

function outcomeOf({ ok, code, message, from, to }: Operation<unknown>): string {
  return ok ? `done in ${Math.round(to - from)} ms` : `${code} (${message.slice(0, 160)})`;
}

async function move(stage: Stage, tenant: ChaosTenant, where: readonly string[]): Promise<string> {
  const moved = await operate<{ writePauseMs: number }>(stage.world, "tenant", "move", tenant.slug, ...where);
  const settled = await idle(stage, tenant);
  const pause = moved.document ? `, writes paused ${Math.round(moved.document.writePauseMs)} ms` : "";
  return `${where.join(" ")}: ${outcomeOf(moved)}${pause}; in ${settled.region} on ${settled.plan}`;
}

const backUp = (stage: Stage, tenant: ChaosTenant) =>
  operate<{ id: string }>(stage.world, "tenant", "backup", tenant.slug);

const show = (stage: Stage, tenant: ChaosTenant): Promise<TenantDocument> =>
  until(`tenant show ${tenant.slug}`, () => stage.world.system.json("tenant", "show", tenant.slug));

/** Waits until nothing is done to the tenant as a whole any more, and it is served. */
function idle(stage: Stage, { slug }: ChaosTenant): Promise<TenantDocument> {
  return until(
    `${slug} at rest`,
    async () => {
      const tenant = await stage.world.system.json<TenantDocument>("tenant", "show", slug);
      return tenant.state === "active" && !tenant.operation && !tenant.note && tenant;
    },
    180,
  );
}

/** Something that was acknowledged after the backup: whether it is there says whether the tenant was taken back. */
async function marker(stage: Stage, tenant: ChaosTenant): Promise<void> {
  await until(`a write to ${tenant.slug}`, () => writeOnce(stage.world, tenant, stage.figures));
}

async function hasMarker(
  stage: Stage,
  tenant: ChaosTenant,
  backedUpAt: number,
  restoredAt: number,
): Promise<boolean> {
  const marked = tenant.ledger.writes.find(
    ({ outcome, startedAt, endedAt }) =>
      outcome === "acknowledged" && startedAt > backedUpAt && endedAt < restoredAt,
  );
  const rows = await until(`all rows of ${tenant.slug}`, () => stage.world.rowsOf(tenant.slug));
  return rows.some(({ title }) => title === marked?.title);
}

/** Whether the copy came to be, whatever its command said. */
async function exists({ world }: Stage, slug: string): Promise<boolean> {
  const state = await until(
    `the copy ${slug}`,
    async () => {
      const shown = await operate<TenantDocument>(world, "tenant", "show", slug);
      if (shown.code === "E_TENANT_NOT_FOUND") return "absent";
      const { state, operation } = shown.document ?? {};
      return state !== undefined && state !== "provisioning" && state !== "moving" && !operation && state;
    },
    180,
  );
  return state === "active";
}
