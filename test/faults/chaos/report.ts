import type { Mismatch } from "./checker.ts";
import type { LoadFigures } from "./load.ts";
import type { ActionKind } from "./plan.ts";
import type { ChaosTenant } from "./world.ts";

/** One action that was done. */
export interface Done {
  readonly lane: string;
  readonly kind: ActionKind;
  readonly from: number;
  readonly to: number;
  readonly detail: string;
  /** It did not come to its end, or left what must not be. */
  readonly isBroken: boolean;
}

const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1);

export function describeAction({ lane, kind, from, to, detail, isBroken }: Done): string {
  const time = `${seconds(from).padStart(6)} s ${seconds(to - from).padStart(6)} s`;
  return `${time}  ${lane.padEnd(9)} ${kind.padEnd(15)} ${isBroken ? "BROKEN: " : ""}${detail}`;
}

type Served = Pick<ChaosTenant, "slug" | "acknowledgedAt" | "suspensions">;

/**
 * The longest time that a tenant had no write acknowledged, of those that overlap with each kind of action; not while it
 * was suspended.
 */
function longestGaps(
  actions: readonly Done[],
  tenants: readonly Served[],
): ReadonlyMap<ActionKind, { readonly slug: string; readonly milliseconds: number }> {
  const longest = new Map<ActionKind, { slug: string; milliseconds: number }>();
  for (const { slug, acknowledgedAt, suspensions } of tenants) {
    for (const [index, to] of acknowledgedAt.entries()) {
      const from = acknowledgedAt[index - 1];
      if (from === undefined || suspensions.some((one) => one.from < to && one.to > from)) continue;
      for (const action of actions) {
        if (action.from >= to || action.to <= from) continue;
        if (to - from > (longest.get(action.kind)?.milliseconds ?? 0))
          longest.set(action.kind, { slug, milliseconds: to - from });
      }
    }
  }
  return longest;
}

/** The whole outcome, for a person. */
export function describeRun(run: {
  readonly seed: number;
  readonly actions: readonly Done[];
  readonly tenants: readonly (Served & { readonly rows: number })[];
  readonly figures: LoadFigures;
  readonly mismatches: readonly Mismatch[];
  readonly problems: readonly string[];
}): string {
  const { seed, actions, tenants, figures, mismatches, problems } = run;
  const wrong = (slug: string) => mismatches.filter((mismatch) => mismatch.slug === slug).length;
  const gaps = [...longestGaps(actions, tenants)].sort(
    ([, one], [, other]) => other.milliseconds - one.milliseconds,
  );
  return [
    ...["", "TENANTS"],
    ...tenants.map(
      ({ slug, rows, acknowledgedAt }) =>
        `  ${slug.padEnd(14)} ${rows} rows, ${acknowledgedAt.length} writes acknowledged: ${
          wrong(slug) === 0 ? "as the ledger says" : `${wrong(slug)} MISMATCHES`
        }`,
    ),
    ...["", "FIGURES"],
    `  ${figures.acknowledged} writes acknowledged, ${figures.reads} read back, ${actions.length} actions`,
    `  failed requests: ${[...figures.failed].map(([kind, count]) => `${count} × ${kind}`).join(", ") || "none"}`,
    "  longest time without an acknowledged write, while that went on:",
    ...gaps.map(
      ([kind, { slug, milliseconds }]) => `    ${kind.padEnd(15)} ${seconds(milliseconds)} s (${slug})`,
    ),
    "",
    ...mismatches.map(
      ({ slug, problem, title, detail }) => `MISMATCH ${slug}: ${problem} ${title}: ${detail}`,
    ),
    ...figures.unseen.map((what) => `MISMATCH not shown after it was acknowledged: ${what}`),
    ...problems.map((problem) => `PROBLEM ${problem}`),
    `seed ${seed}: ${mismatches.length + figures.unseen.length + problems.length === 0 ? "all as it should be" : "NOT as it should be"}`,
  ].join("\n");
}
