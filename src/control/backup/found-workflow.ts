import { type FoundStepName, foundSteps } from "../../core/backup/restore-steps.ts";
import { fault } from "../../core/error.ts";
import type { WorkflowDefinition, WorkflowStep } from "../../ports/workflows.ts";
import { restoreFiles } from "../archive/archive.ts";
import { planOf, type RegionContext } from "../region-context.ts";
import { signupWorkflow, unlessOpened } from "../signup/workflow.ts";
import { chooseServer, fillLocation } from "./placing.ts";
import { foundWorkflowName } from "./restoration.ts";
import type { FoundInput } from "./restore-input.ts";
import { withArchive } from "./sealed-archive.ts";
import { setSettings } from "./settings.ts";
import { forgetImport } from "./staged-import.ts";

type Step = Omit<WorkflowStep<FoundInput>, "name" | "title">;

/**
 * Makes a new tenant of an archive: a sign-up whose rows, files and settings come from there. A failure takes all back.
 */
export function foundWorkflow(context: RegionContext): WorkflowDefinition<FoundInput> {
  const own: Readonly<Partial<Record<FoundStepName, Step>>> = {
    ...dataSteps(context),
    ...partingSteps(context),
  };
  return {
    name: foundWorkflowName,
    steps: foundSteps.map((step) => {
      const part = own[step.name] ?? signupStep(context, step.name);
      return { ...step, ...unlessOpened(context, part) };
    }),
  };
}

function signupStep(context: RegionContext, name: FoundStepName): Step {
  const found = signupWorkflow(context).steps.find((step) => step.name === name);
  if (!found) throw fault("E_INTERNAL", `A sign-up has no step "${name}".`);
  return found;
}

function dataSteps(
  context: RegionContext,
): Readonly<Record<"place" | "load" | "restore-files" | "create-administrator", Step>> {
  const { config, locations, platform, pool } = context;
  return {
    place: {
      ...signupStep(context, "place"),
      // Never a spare, which has the newest tables already.
      run: async ({ slug, plan }) => {
        const { isolation } = planOf(config, plan);
        const server = await chooseServer(context, isolation);
        const migrations = context.release().migrationsFingerprint;
        await locations.insert({ slug, isolation, server, migrations });
      },
    },
    load: {
      run: async ({ slug, kind, source }) => {
        const location = await locations.find(slug);
        if (!location) throw fault("E_INTERNAL", `The tenant "${slug}" has no data location.`);
        return withArchive(platform, source, (archive) =>
          fillLocation(context, archive, location, { isFromOutside: kind === "import" }),
        );
      },
    },
    "restore-files": {
      run: async ({ slug, source }) => {
        await platform.objects.purge(`tenants/${slug}/`);
        return withArchive(platform, source, (archive) =>
          restoreFiles(archive, { objects: platform.objects, slug }),
        );
      },
      undo: async ({ slug }) => {
        await platform.objects.purge(`tenants/${slug}/`);
      },
    },
    "create-administrator": {
      ...signupStep(context, "create-administrator"),
      run: async (input, results) => {
        await signupStep(context, "create-administrator").run(input, results);
        const settings = await withArchive(
          platform,
          input.source,
          async ({ manifest }) => manifest.tenant.settings,
        );
        await setSettings(pool, input.slug, settings);
      },
    },
  };
}

/** The first step and the last: with either end the archive of an import is needed no more. */
function partingSteps(context: RegionContext): Readonly<Record<"reserve-slug" | "activate", Step>> {
  const [reserve, activate] = [signupStep(context, "reserve-slug"), signupStep(context, "activate")];
  return {
    "reserve-slug": {
      ...reserve,
      undo: async (input, results) => {
        await reserve.undo?.(input, results);
        await forgetImport(context, input.id);
      },
    },
    activate: {
      ...activate,
      run: async (input, results) => {
        await activate.run(input, results);
        // What is left lies encrypted, and is swept a day later.
        await forgetImport(context, input.id).catch(() => {});
        return { servedAt: context.platform.clock.now() };
      },
    },
  };
}
