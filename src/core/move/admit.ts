import type { Config } from "../config/schema.ts";
import { fault } from "../error.ts";
import type { DirectoryEntry } from "../tenant/tenant.ts";

/** Where someone wants a tenant to live. */
export interface MoveWish {
  readonly region: string;
  readonly plan: string;
  /** What says that the customer agreed to another jurisdiction. */
  readonly consent?: string;
}

/** How much of a tenant has to go elsewhere. `plan`: its data stays where it is. */
export type MoveKind = "region" | "isolation" | "plan";

/**
 * What kind of move it is, if it may be.
 * @throws E_REGION_UNKNOWN, E_PLAN_UNKNOWN, E_MOVE_SAME, E_MOVE_JURISDICTION, E_TENANT_STATE
 */
export function admitMove(
  config: Pick<Config, "regions" | "plans">,
  entry: Pick<DirectoryEntry, "slug" | "region" | "plan" | "isolation" | "state">,
  wish: MoveWish,
): MoveKind {
  const [from, to] = [config.regions[entry.region], own(config.regions, wish.region)];
  if (!to) throw fault("E_REGION_UNKNOWN", unknown("region", wish.region, config.regions));
  const plan = own(config.plans, wish.plan);
  if (!plan) throw fault("E_PLAN_UNKNOWN", unknown("plan", wish.plan, config.plans));
  if (entry.state !== "active" && entry.state !== "suspended")
    throw fault("E_TENANT_STATE", `A tenant that is ${entry.state} can't be moved.`);
  if (entry.region === wish.region && entry.plan === wish.plan) {
    throw fault(
      "E_MOVE_SAME",
      `The tenant "${entry.slug}" lives in ${entry.region} with the plan ${entry.plan} already.`,
    );
  }
  if (from?.jurisdiction !== to.jurisdiction && !wish.consent?.trim()) {
    throw fault(
      "E_MOVE_JURISDICTION",
      `The tenant "${entry.slug}" lives under the jurisdiction ${from?.jurisdiction ?? "of nobody"}, and ${wish.region} is under ${to.jurisdiction}.`,
    );
  }
  if (entry.region !== wish.region) return "region";
  return plan.isolation === entry.isolation ? "plan" : "isolation";
}

function own<T>(all: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(all, name) ? all[name] : undefined;
}

function unknown(noun: string, name: string, all: Readonly<Record<string, unknown>>): string {
  return `There is no ${noun} ${JSON.stringify(name.slice(0, 80))}; there are ${Object.keys(all).join(", ")}.`;
}
