import { hasEnded } from "../../core/workflow/state.ts";
import { closePublication } from "../../postgres/logical/publication.ts";
import { dropSlot } from "../../postgres/logical/slot.ts";
import { tenantParts } from "../close/parts.ts";
import type { RegionContext } from "../region-context.ts";
import { settleEach } from "../settle-each.ts";
import { arrivalControl } from "./arrival.ts";
import { regionOfMove } from "./input.ts";
import { Moves } from "./moves.ts";
import { sourceOf } from "./places.ts";

/** What a tenant that moved away left can be looked at for so long. */
const graceSeconds = 3600;

/** Stays after a departure: rows go with their location, backups when their time is over, and the name leads elsewhere. */
const keptParts: ReadonlySet<string> = new Set(["address", "rows", "backups", "copies"]);

/**
 * Mends what moves left behind that could not finish or undo their work: tenants that still wait, arrivals whose move has
 * failed, slots and publications. And removes what tenants that moved away left here, after an hour.
 */
export async function sweepMoves(context: RegionContext): Promise<void> {
  await settleEach([thawForgotten, endForeignArrivals, removeSlots, forgetDeparted], (sweep) =>
    sweep(context),
  );
}

/** A tenant that waits, and nobody is at work on it. */
async function thawForgotten(context: RegionContext): Promise<void> {
  const { pool, platform, relocation, name } = context;
  const { rows } = await pool.query<{ slug: string }>(
    `SELECT slug FROM tenants WHERE region = $1 AND state = 'moving'
       AND NOT EXISTS (SELECT FROM tenant_operations o WHERE o.slug = tenants.slug)`,
    [name],
  );
  await settleEach(rows, async ({ slug }) => {
    const move = await new Moves({ pool, clock: platform.clock }).findLast(slug);
    if (move?.frozenAt && !move.settledAt) await relocation.thaw(slug, move.state);
  });
}

/** Who comes from a region whose move ended without telling so. */
async function endForeignArrivals(context: RegionContext): Promise<void> {
  const { operations, directory, name } = context;
  const arrivals = arrivalControl(context);
  await settleEach(await operations.list(), async ({ slug, kind, id }) => {
    const region = regionOfMove(id);
    if (kind !== "move" || region === name) return;
    const move = await context.peer(region).move({ id });
    if (move && !hasEnded(move.state)) return;
    if ((await directory.find(slug))?.region === name) await arrivals.endArrival({ slug, operation: id });
    else await arrivals.abandonArrival({ slug, operation: id });
  });
}

async function removeSlots(context: RegionContext): Promise<void> {
  const { pool, locations } = context;
  const { rows } = await pool.query<{ id: string; slug: string }>(
    `SELECT id, slug FROM moves WHERE NOT is_clean
       AND NOT EXISTS (SELECT FROM tenant_operations o WHERE o.slug = moves.slug AND o.kind = 'move')`,
  );
  await settleEach(rows, async ({ id, slug }) => {
    for (const location of await locations.findEvery(slug)) {
      const source = await sourceOf(context, location);
      await dropSlot(source.pool, source.name);
      await closePublication(source.pool, source.schema, source.name);
    }
    await pool.query("UPDATE moves SET is_clean = true WHERE id = $1", [id]);
  });
}

async function forgetDeparted(context: RegionContext): Promise<void> {
  const { pool, directory, operations, platform, name } = context;
  const { rows } = await pool.query<{ slug: string }>(
    "SELECT slug FROM departures WHERE departed_at < $1::timestamptz - make_interval(secs => $2)",
    [platform.clock.now(), graceSeconds],
  );
  await settleEach(rows, async ({ slug }) => {
    // Held, so that it can't come back in the middle of this.
    const id = `${name}.departed.${slug}`;
    const holder = await operations.find(slug);
    if (holder && holder.id !== id) return;
    await operations.claim(slug, "move", id);
    // It came back, and what is here is its own again.
    if ((await directory.find(slug))?.region !== name) {
      for (const part of tenantParts(context)) if (!keptParts.has(part.name)) await part.remove(slug);
    }
    await pool.query("DELETE FROM departures WHERE slug = $1", [slug]);
    await operations.release(slug, id);
  });
}
