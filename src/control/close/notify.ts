import type { IntegrationName } from "../../ports/integrations.ts";
import type { RegionContext } from "../region-context.ts";
import { reasonOf } from "./measure.ts";

const systems: readonly IntegrationName[] = ["crm", "billing", "support"];

/**
 * Tells the outside systems that the tenant is gone, so that they can forget it too. One that does not listen keeps
 * nobody's closing up: the port has tried long enough. Returns what became of each.
 */
export async function notifySystems(
  { platform, directory, name }: RegionContext,
  slug: string,
): Promise<Readonly<Record<string, string>>> {
  const entry = await directory.find(slug);
  const outcomes: Record<string, string> = {};
  for (const system of systems) {
    const event = {
      type: "tenant.closed",
      // Ids of Standard Webhooks hold no dots; each attempt means the same event.
      id: `${name}:close:${slug}:${entry?.createdAt.getTime()}:${system}`,
      occurredAt: platform.clock.now(),
      data: { slug, region: name, plan: entry?.plan },
    };
    outcomes[system] = await platform.integrations.notify(system, event).catch(reasonOf);
  }
  return outcomes;
}
