import { fault, RowhouseError } from "../../core/error.ts";
import { admitMove, type MoveKind } from "../../core/move/admit.ts";
import { type MoveStepName, moveSteps } from "../../core/move/steps.ts";
import type { Isolation } from "../../core/tenant/tenant.ts";
import type { RetryPolicy } from "../../core/workflow/retry.ts";
import type { WorkflowDefinition, WorkflowStep } from "../../ports/workflows.ts";
import { closePublication } from "../../postgres/logical/publication.ts";
import { dropSlot } from "../../postgres/logical/slot.ts";
import { AuditTrail } from "../audit.ts";
import { planOf, type RegionContext } from "../region-context.ts";
import { type CopiedResult, compareBoth, copyRows, refreshBoth, untilClose, versionOf } from "./copying.ts";
import { sendFiles } from "./files.ts";
import { handOver, takeBack } from "./hand-over.ts";
import type { MoveInput } from "./input.ts";
import type { MoveMachinery } from "./last-changes.ts";
import { leave } from "./leave.ts";
import { Moves } from "./moves.ts";
import { arrivalOf, auditOf, hasSettled, leavingLocation, receiverOf, sourceOf } from "./places.ts";
import type { Sameness } from "./verification.ts";

export const moveWorkflowName = "move";

type Step = Omit<WorkflowStep<MoveInput>, "name" | "title">;
type Results = Readonly<Record<string, unknown>>;

/** About 25 s in all: while it waits the tenant may wait too. */
const patient: RetryPolicy = { maxAttempts: 8, initialIntervalSeconds: 0.2, backoffRate: 2 };

/** The tenant lives at its new home: what is left to do is done, however long what it needs is away. */
const forever: RetryPolicy = { maxAttempts: 1_000_000, initialIntervalSeconds: 1, backoffRate: 1 };

interface Home {
  readonly region: string;
  readonly plan: string;
  readonly isolation: Isolation;
}

/** What `check` found out. */
export interface Checked {
  readonly kind: MoveKind;
  readonly from: Home;
  readonly to: Home;
}

/**
 * A tenant's move. Until the directory names the new home, at the end of `hand-over`, every step can be taken back and
 * the tenant is served where it was; from then on every undo leaves things as they are.
 */
export function moveWorkflow(parts: MoveMachinery): WorkflowDefinition<MoveInput> {
  const steps: Readonly<Record<MoveStepName, Step>> = { ...placeSteps(parts), ...dataSteps(parts) };
  return {
    name: moveWorkflowName,
    steps: moveSteps.map((step) => ({ ...step, ...guarded(parts.context, steps[step.name]) })),
  };
}

/** Undoes nothing once the tenant lives at its new home. */
function guarded({ directory }: RegionContext, step: Step): Step {
  const { undo } = step;
  if (!undo) return step;
  return {
    ...step,
    undo: async (input, results) => {
      if (!hasSettled(await directory.find(input.slug), input)) await undo(input, results);
    },
  };
}

function placeSteps({
  context,
}: MoveMachinery): Record<"claim" | "check" | "prepare" | "copy-files" | "release", Step> {
  const { operations, directory, pool, platform, config } = context;
  return {
    claim: {
      run: ({ slug, id }) => operations.claim(slug, "move", id),
      undo: ({ slug, id }) => operations.release(slug, id),
    },
    check: {
      run: async (input) => {
        const { id, slug, region, plan, consent } = input;
        const entry = await directory.find(slug);
        if (entry?.region !== context.name)
          throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}" in ${context.name}.`);
        const kind = admitMove(config, entry, { region, plan, ...(consent !== undefined && { consent }) });
        const { maxTenants, isolation } = planOf(config, plan);
        if (
          plan !== entry.plan &&
          maxTenants !== undefined &&
          (await directory.countByPlan(plan)) >= maxTenants
        )
          throw fault("E_QUOTA", `The plan "${plan}" has all of its ${maxTenants} tenants.`);
        const state = entry.state === "suspended" ? "suspended" : "active";
        await new Moves({ pool, clock: platform.clock }).begin(id, slug, state);
        const trail = new AuditTrail({ region: context.name, pool, clock: platform.clock });
        await trail.write(auditOf(context.name, input));
        const from = { region: entry.region, plan: entry.plan, isolation: entry.isolation };
        return { kind, from, to: { region, plan, isolation } } satisfies Checked;
      },
    },
    prepare: {
      run: async (input, results) => {
        if (kindOf(results) === "plan") return;
        await arrivalOf(context, input, await versionOf(context, input));
      },
      undo: ({ slug, id, region }) => receiverOf(context, region).abandonArrival({ slug, operation: id }),
      retry: patient,
    },
    "copy-files": {
      run: async (input, results) => {
        if (kindOf(results) === "region") await send(context, input);
      },
      undo: async ({ id }) => {
        await pool.query("DELETE FROM moved_files WHERE operation = $1", [id]);
      },
    },
    release: {
      run: async ({ slug, id }) => {
        await operations.release(slug, id);
        return { endedAt: platform.clock.now().toISOString() };
      },
      retry: forever,
    },
  };
}

function dataSteps(
  parts: MoveMachinery,
): Record<"compare-structure" | "copy-rows" | "follow" | "hand-over" | "verify" | "leave", Step> {
  const { context, pumps, verification } = parts;
  return {
    "compare-structure": {
      run: async (input, results) => {
        if (kindOf(results) !== "plan") return { structure: await compareBoth(context, input) };
      },
    },
    "copy-rows": {
      run: async (input, results) => (kindOf(results) === "plan" ? nothingCopied : copyRows(parts, input)),
      undo: async (input) => {
        await pumps.stop(input.id);
        await verification.release(input.id);
        const location = await leavingLocation(context, input);
        const { pool, name, schema } = await sourceOf(context, location);
        await dropSlot(pool, name);
        await closePublication(pool, schema, name);
      },
      retry: patient,
    },
    follow: {
      run: async (input, results) => {
        if (kindOf(results) === "plan") return;
        await untilClose(parts, input);
        await refreshBoth(context, input);
        // What changed since the first time, so that little is left for the moment of the hand-over.
        if (kindOf(results) === "region") await send(context, input);
      },
    },
    "hand-over": {
      run: (input, results) => {
        const compared = results["compare-structure"] as { readonly structure: string } | null;
        return handOver(parts, input, { kind: kindOf(results), structure: compared?.structure });
      },
      undo: (input, results) => takeBack(parts, input, kindOf(results)),
      retry: patient,
    },
    verify: {
      run: async (input, results): Promise<{ sameness: Sameness; differs?: string }> => {
        if (kindOf(results) === "plan") return { sameness: "whole" };
        try {
          const source = await sourceOf(context, await leavingLocation(context, input));
          return { sameness: await verification.compare(input.id, source) };
        } catch (error) {
          // The tenant lives there by now: the old copy must be kept for whoever looks into it.
          if (error instanceof RowhouseError && error.code === "E_MOVE_FAILED")
            return { sameness: "copied", differs: error.reason };
          return { sameness: "copied" };
        }
      },
    },
    leave: {
      run: async (input, results) => {
        await pumps.stop(input.id);
        const { differs } = results.verify as { readonly differs?: string };
        await leave(context, input, { kind: kindOf(results), keepsOld: differs !== undefined });
      },
      retry: forever,
    },
  };
}

const nothingCopied: CopiedResult = { rows: 0, bytes: 0, copyMs: 0 };

/** Of a move that failed before it knew, a plan's: then there is nothing to take back. */
function kindOf(results: Results): MoveKind {
  return (results.check as Checked | undefined)?.kind ?? "plan";
}

function send(context: RegionContext, { slug, id, region }: MoveInput): Promise<void> {
  return sendFiles(context, receiverOf(context, region), { slug, operation: id });
}
