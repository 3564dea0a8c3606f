import { type Inventory, leftOf, type Remainder } from "../../core/closing/certificate.ts";
import { type CloseStepName, closeSteps, type PartName } from "../../core/closing/steps.ts";
import { fault } from "../../core/error.ts";
import type { RetryPolicy } from "../../core/workflow/retry.ts";
import type { WorkflowDefinition, WorkflowStep } from "../../ports/workflows.ts";
import { copyEntries } from "../directory.ts";
import type { RegionContext } from "../region-context.ts";
import { certify } from "./certify.ts";
import { Closings } from "./closings.ts";
import { countElsewhere, removeElsewhere } from "./elsewhere.ts";
import { keepFinalExport } from "./final-export.ts";
import { lockOutTenant } from "./lock-out.ts";
import { notifySystems } from "./notify.ts";
import { takeInventory, tenantParts } from "./parts.ts";

export const closeWorkflowName = "close";

export interface CloseInput {
  readonly slug: string;
  /** The workflow's own id. */
  readonly id: string;
  /** Name of the operator. */
  readonly askedBy: string;
  readonly withoutExport: boolean;
}

type Step = Omit<WorkflowStep<CloseInput>, "name" | "title">;

/** A little more than a minute in all: a failover is over by then. What fails for longer is begun anew by the sweep. */
const retry: RetryPolicy = { maxAttempts: 8, initialIntervalSeconds: 0.5, backoffRate: 2 };

/**
 * A tenant's end. It has no undo: what was begun is finished. Every step may be repeated, and works on a tenant whose
 * database is missing or broken too. All is counted before anything is removed, so that the certificate is right
 * whatever is repeated.
 */
export function closeWorkflow(context: RegionContext): WorkflowDefinition<CloseInput> {
  const steps: Readonly<Record<CloseStepName, Step>> = { ...doorSteps(context), ...removals(context) };
  return {
    name: closeWorkflowName,
    steps: closeSteps.map((step) => ({ ...step, retry, ...steps[step.name] })),
  };
}

type DoorStepName = Exclude<CloseStepName, `remove-${PartName}`>;

function doorSteps(context: RegionContext): Record<DoorStepName, Step> {
  const { directory, pool, operations, platform } = context;
  const closings = new Closings({ pool, clock: platform.clock });
  // Asked at each attempt of a step: who doesn't want to wait any longer may say so meanwhile.
  const isWaived = async (slug: string) => (await closings.find(slug))?.withoutExport === true;
  return {
    claim: { run: ({ slug, id }) => operations.claim(slug, "close", id) },
    "begin-close": {
      run: async ({ slug, id, askedBy, withoutExport }) => {
        await copyEntries(pool, [await directory.apply(slug, "beginClose")]);
        await closings.begin({ slug, askedBy, id, withoutExport });
      },
    },
    "lock-out": { run: async ({ slug }) => lockOutTenant(context, slug, await isWaived(slug)) },
    count: {
      run: async ({ slug }) => {
        const parts = tenantParts(context, { evenIfAway: await isWaived(slug) });
        await closings.keep(slug, "inventory", await takeInventory(parts, slug));
        await closings.keep(slug, "elsewhere", await countElsewhere(context, slug));
      },
    },
    export: { run: ({ slug }) => keepFinalExport(context, closings, slug) },
    "notify-systems": { run: ({ slug }) => notifySystems(context, slug) },
    "remove-elsewhere": {
      run: async ({ slug }) => removeElsewhere(context, slug, (await closings.find(slug))?.elsewhere ?? []),
    },
    verify: { run: ({ slug }) => removeUntilNothingIsLeft(context, slug) },
    certify: {
      run: async ({ slug }, results) => {
        await closings.keep(slug, "remainders", remaindersOf(results));
        await certify(context, closings, slug);
      },
    },
    "end-close": {
      run: async ({ slug, id }) => {
        await copyEntries(pool, [await directory.apply(slug, "endClose")]);
        await operations.release(slug, id);
      },
    },
  };
}

function removals(context: RegionContext): Record<`remove-${PartName}`, Step> {
  const steps = tenantParts(context).map((part) => [
    `remove-${part.name}`,
    { run: ({ slug }: CloseInput) => part.remove(slug) },
  ]);
  return Object.fromEntries(steps) as Record<`remove-${PartName}`, Step>;
}

/** What was under way when the doors were closed may have written something since it was removed. */
async function removeUntilNothingIsLeft(context: RegionContext, slug: string): Promise<void> {
  const parts = tenantParts(context);
  const left = leftOf(await takeInventory(parts, slug));
  for (const part of parts) if (left.includes(part.name)) await part.remove(slug);
  const still: Inventory = left.length > 0 ? await takeInventory(parts, slug) : {};
  if (leftOf(still).length > 0)
    throw fault("E_INTERNAL", `Of the tenant "${slug}" there still are ${leftOf(still).join(", ")}.`);
}

function remaindersOf(results: Readonly<Record<string, unknown>>): Remainder[] {
  return Object.entries(results).flatMap(([step, result]) =>
    step.startsWith("remove-") && Array.isArray(result) ? (result as Remainder[]) : [],
  );
}
