import { type RestoreStepName, restoreSteps } from "../../core/backup/restore-steps.ts";
import { fault, toRowhouseError } from "../../core/error.ts";
import { filesPrefix } from "../../core/tenant/file-key.ts";
import type { RetryPolicy } from "../../core/workflow/retry.ts";
import type { WorkflowDefinition, WorkflowStep } from "../../ports/workflows.ts";
import { planOf, type RegionContext } from "../region-context.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import { keepStateBefore, readNote, writeNote } from "./before.ts";
import { currentVersions } from "./file-versions.ts";
import { chooseServer, fillLocation } from "./placing.ts";
import { discardBackup } from "./remove.ts";
import { restoreWorkflowName } from "./restoration.ts";
import type { RestoreInput } from "./restore-input.ts";
import { withArchive } from "./sealed-archive.ts";
import { setSettings } from "./settings.ts";
import { archivedTenant, catalogueOf, findTenant } from "./source.ts";
import { forgetImport } from "./staged-import.ts";
import { bringFiles, bringFilesBack, compareFiles } from "./switch-files.ts";

type Step = Omit<WorkflowStep<RestoreInput>, "name" | "title">;
type Part<Names extends RestoreStepName> = Readonly<Record<Names, Step>>;

/** While requests wait: longer than a failover. */
const patient: RetryPolicy = { maxAttempts: 40, initialIntervalSeconds: 0.5, backoffRate: 1 };

/** Where going back is no way any more: until it succeeds. */
const forever: RetryPolicy = { maxAttempts: 1_000_000, initialIntervalSeconds: 0.5, backoffRate: 1 };

/**
 * Replaces a tenant's data by an archive's. All is made ready beside what is served; then requests wait for the switch
 * alone. Until the directory says so (`settle`) everything is taken back on a failure; after it nothing may fail.
 */
export function restoreWorkflow(context: RegionContext): WorkflowDefinition<RestoreInput> {
  const steps: Part<RestoreStepName> = {
    ...besideSteps(context),
    ...fileSteps(context),
    ...switchSteps(context),
    ...afterSteps(context),
  };
  return { name: restoreWorkflowName, steps: restoreSteps.map((step) => ({ ...step, ...steps[step.name] })) };
}

function besideSteps(context: RegionContext): Part<"claim" | "place" | "create" | "load" | "migrate"> {
  const { directory, operations, locations, tenantData, platform, config } = context;
  return {
    claim: {
      holds: true,
      run: async ({ slug, kind, id, from, beforeId }) => {
        await operations.claim(slug, kind, id);
        const entry = await directory.find(slug);
        if (entry?.state !== from)
          throw fault("E_TENANT_STATE", `The tenant "${slug}" was ${from} and is ${entry?.state} now.`);
        const reason = `before-${kind}` as const;
        const begun = { id: beforeId, slug, region: context.name, reason, location: null };
        await catalogueOf(context).begin({ ...begun, tenantCreatedAt: entry.createdAt }, "pending");
      },
      undo: async (input) => {
        await discardBackup(context, { id: input.beforeId, slug: input.slug });
        await operations.release(input.slug, input.id);
        await forgetImport(context, input.id);
      },
    },
    place: {
      run: async ({ slug, id }) => {
        const { isolation } = await findTenant(context, slug);
        // A repeat has its place already: it must not find the server full of itself.
        const begun = await locations.findArriving(slug);
        const server = begun ? begun.server : await chooseServer(context, isolation);
        const migrations = context.release().migrationsFingerprint;
        return { location: (await locations.prepare({ slug, isolation, server, migrations }, id)).id };
      },
      // The tenant is claimed: whatever arrives there is this restore's.
      undo: async ({ slug }) => {
        const arriving = await locations.findArriving(slug);
        if (arriving) await tenantData.drop(arriving);
      },
    },
    create: {
      run: async ({ slug }, results) => {
        const { plan } = await findTenant(context, slug);
        const connections = planOf(config, plan).connections ?? "own";
        await tenantData.create(await placedLocation(context, slug, results), connections);
      },
    },
    load: {
      run: async ({ slug, kind, source }, results) => {
        const location = await placedLocation(context, slug, results);
        return withArchive(platform, source, (archive) =>
          fillLocation(context, archive, location, { isFromOutside: kind === "import" }),
        );
      },
    },
    migrate: {
      run: async ({ slug }, results) => {
        const location = await placedLocation(context, slug, results);
        const schemaVersion = await tenantData.migrate(location, context.release().migrations);
        return { schemaVersion, server: location.server };
      },
    },
  };
}

function fileSteps(context: RegionContext): Part<"compare-files" | "note-files" | "restore-files"> {
  const { platform, pool } = context;
  const { objects } = platform;
  return {
    "compare-files": {
      run: async ({ slug, beforeId, source }) => {
        const equal = await withArchive(platform, source, (archive) => compareFiles(archive, objects, slug));
        await writeNote(context, { slug, id: beforeId }, "equal-files", equal);
      },
    },
    "note-files": {
      run: async ({ slug, beforeId }) => {
        const until = platform.clock.now().toISOString();
        const files = await currentVersions(objects, filesPrefix(slug));
        const { settings } = await archivedTenant(context, await findTenant(context, slug));
        await writeNote(context, { slug, id: beforeId }, "state-before", { until, files, settings });
      },
    },
    "restore-files": {
      run: async ({ slug, beforeId, source }) => {
        const before = { slug, id: beforeId };
        const { files: current } = await readNote(context, before, "state-before");
        const equal = await readNote(context, before, "equal-files");
        return withArchive(platform, source, async (archive) => {
          await bringFiles(archive, { objects, slug, current, equal });
          await setSettings(pool, slug, archive.manifest.tenant.settings);
          return { files: archive.manifest.files.count };
        });
      },
      undo: async ({ slug, beforeId }) => {
        const before = await readNote(context, { slug, id: beforeId }, "state-before");
        await bringFilesBack(objects, before.files, await currentVersions(objects, filesPrefix(slug)));
        await setSettings(pool, slug, before.settings);
      },
      retry: patient,
    },
  };
}

function switchSteps(context: RegionContext): Part<"freeze" | "switch" | "settle"> {
  const { relocation, locations, platform } = context;
  return {
    freeze: {
      holds: true,
      run: async ({ slug, from }) => {
        const frozenAt = platform.clock.now();
        await relocation.freeze(slug, from);
        return { frozenAt };
      },
      undo: ({ slug, from }) => relocation.thaw(slug, from),
      retry: patient,
    },
    switch: {
      run: async ({ slug, id }, results) => {
        const arriving = await placedLocation(context, slug, results);
        await platform.cache.clear(slug);
        await locations.switchTo(slug, arriving, id);
      },
      undo: async ({ slug, id }, results) => {
        const placed = await findPlaced(context, slug, results);
        // Dropped, it was never switched to.
        if (placed) await locations.switchBack(slug, placed, id);
        await platform.cache.clear(slug);
      },
      retry: patient,
    },
    settle: {
      run: async ({ slug, from }, results) => {
        const { schemaVersion, server } = results.migrate as { schemaVersion: number; server: string };
        const { plan, isolation } = await findTenant(context, slug);
        await relocation.settle(slug, { region: context.name, plan, isolation, server, schemaVersion }, from);
        return { servedAt: platform.clock.now() };
      },
      retry: forever,
    },
  };
}

function afterSteps(context: RegionContext): Part<"keep-before" | "release"> {
  const { locations, operations } = context;
  return {
    "keep-before": {
      run: async ({ slug, id, beforeId }) => {
        const catalogue = catalogueOf(context);
        const retired = await locations.findRetiredBy(id);
        if (retired) await catalogue.setLocation(beforeId, retired.id);
        const backup = await catalogue.findPending(beforeId);
        // A failure here must not take the restore back: the retired location stays until the next attempt has it.
        if (backup)
          await keepStateBefore(context, backup).catch((error) =>
            catalogue.noteFailure(slug, toRowhouseError(error)),
          );
        return { kept: (await catalogue.find(beforeId)) !== undefined };
      },
      retry: forever,
    },
    release: {
      run: async ({ slug, id }) => {
        await forgetImport(context, id);
        await operations.release(slug, id);
      },
      retry: forever,
    },
  };
}

type Results = Readonly<Record<string, unknown>>;

/** The location that the restore made, on either side of the switch. */
async function findPlaced(
  { locations }: RegionContext,
  slug: string,
  results: Results,
): Promise<StoredLocation | undefined> {
  const { location } = results.place as { readonly location: string };
  return (await locations.findEvery(slug)).find(({ id }) => id === location);
}

async function placedLocation(
  context: RegionContext,
  slug: string,
  results: Results,
): Promise<StoredLocation> {
  const placed = await findPlaced(context, slug, results);
  if (placed) return placed;
  throw fault("E_INTERNAL", `The place that the restore of "${slug}" made is gone.`);
}
