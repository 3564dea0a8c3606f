import { fault, toRowhouseError } from "../../core/error.ts";
import { hasEnded } from "../../core/workflow/state.ts";
import type { StackProgress } from "../../ports/stacks.ts";
import type { RegionControl } from "../region-control.ts";
import type { FailBackOutcome, FailedTenant } from "./outcome.ts";
import type { RecoveryParts } from "./recoveries.ts";
import type { AwayTenant } from "./region-states.ts";

/** As many tenants as move at the same time: each copies, and the source serves all the while. */
const concurrency = 4;
const waitSeconds = 20;
/** Whatever else is done to a tenant is waited for so long; then it is left where it is, and told. */
const busyPatienceMilliseconds = 600_000;
const busyPauseMilliseconds = 500;

/** Takes a lost region into service again, empty, and moves its tenants back; see `failBackSteps`. */
export async function failBack(
  parts: RecoveryParts,
  { region, from }: { readonly region: string; readonly from: string },
  onProgress: StackProgress,
): Promise<FailBackOutcome> {
  const { states, clock, onStep = async () => {} } = parts;
  const begunAt = clock.elapsedMilliseconds();
  await onStep("mark");
  const { state } = await states.find(region);
  const control = parts.control(from);
  if (state !== "failing-back") {
    await states.advance(region, ["failed-over"], "resetting");
    await onStep("addresses");
    // The region's own name leads to itself again from its start on.
    const away = await states.tenantsAway(region);
    await control.keepAddresses({ slugs: away.map(({ slug }) => slug) });
    await onStep("reset");
    await parts.fence(region, onProgress);
    await parts.reset(region, await states.tenantsThatLeft(region), onProgress);
    await states.advance(region, ["resetting"], "failing-back");
  }
  await onStep("start");
  await parts.start(region, onProgress);
  await parts.untilReady(region, onProgress);
  parts.open(region);
  await onStep("move");
  const moved = await moveBack(parts, region, onProgress);
  await onStep("tidy");
  const dropped = await control.dropEmptyServers({ source: region });
  if (dropped.length > 0) onProgress(`${dropped.join(", ")} of ${from} removed`);
  await onStep("finish");
  await states.forgetReturned(region);
  if (moved.failed.length === 0) await states.endFailBack(region);
  return {
    region,
    from,
    ...moved,
    durationMs: Math.round(clock.elapsedMilliseconds() - begunAt),
  };
}

/** Each by the same move as any other; one that fails stays where it is, and is told. */
async function moveBack(
  parts: RecoveryParts,
  region: string,
  onProgress: StackProgress,
): Promise<{ readonly tenants: number; readonly failed: readonly FailedTenant[] }> {
  const away = await parts.states.tenantsAway(region);
  const failed: FailedTenant[] = [];
  let tenants = 0;
  const queue = away.values();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (const tenant of queue) {
        const { slug, region: at } = tenant;
        try {
          await bringHome(parts, tenant, region);
          tenants++;
          onProgress(`${tenants} of ${away.length} tenants moved back`);
        } catch (error) {
          failed.push({ slug, error: toRowhouseError(error).message });
          onProgress(`${slug} stays in ${at}: ${toRowhouseError(error).message}`);
        }
      }
    }),
  );
  return { tenants, failed };
}

/** An attempt that broke off may have begun the move, which goes on by itself: then that one is waited for. */
async function bringHome(parts: RecoveryParts, tenant: AwayTenant, region: string): Promise<void> {
  const { states, clock } = parts;
  const begunAt = clock.elapsedMilliseconds();
  for (let away: AwayTenant | undefined = tenant; away; await clock.sleep(busyPauseMilliseconds)) {
    try {
      return await moveOne(parts.control(away.region), away.slug, region);
    } catch (thrown) {
      const error = toRowhouseError(thrown);
      away = (await states.tenantsAway(region)).find(({ slug }) => slug === tenant.slug);
      if (!away) return;
      const isPatient = clock.elapsedMilliseconds() - begunAt < busyPatienceMilliseconds;
      if (error.code !== "E_TENANT_BUSY" || !isPatient) throw error;
    }
  }
}

async function moveOne(control: RegionControl, slug: string, region: string): Promise<void> {
  let status = await control.startMove({ slug, region, askedBy: "region fail-back" });
  while (!hasEnded(status.state)) {
    const next = await control.waitForMove({
      id: status.id,
      seen: status.events,
      timeoutSeconds: waitSeconds,
    });
    if (!next) throw fault("E_INTERNAL", `The move of ${slug} is not known any more.`);
    status = next;
  }
  if (status.error) throw toRowhouseError(new Error(status.error.message));
}
