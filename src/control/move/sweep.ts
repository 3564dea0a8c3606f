import { hasEnded } from "../../core/workflow/state.ts";
import { closePublication } from "../../postgres/logical/publication.ts";
import { dropSlot } from "../../postgres/logical/slot.ts";
import { tenantParts } from "../close/parts.ts";
import type { RegionContext } from "../region-context.ts";
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
  const work = [thawForgotten, endForeignArrivals, removeSlots, forgetDeparted];
  const results = await Promise.allSettled(work.map((each) => each(context)));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

/** A tenant that waits, and nobody is at work on it. */
async function thawForgotten(context: RegionContext): Promise<void> {
  const { pool, platform, relocation, name } = context;
  const { rows } = await pool.query<{ slug: string }>(
    `SELECT slug FROM tenants WHERE region = $1 AND state = 'moving'
       AND NOT EXISTS (SELECT FROM tenant_operations o WHERE o.slug = tenants.slug)`,
    [name],
  );
  for (const { slug } of rows) {
    const move = await new Moves({ pool, clock: platform.clock }).findLast(slug);
    if (move?.frozenAt && !move.settledAt) await relocation.thaw(slug, move.state);
  }
}

/** Who comes from a region whose move ended without telling so. */
async function endForeignArrivals(context: RegionContext): Promise<void> {
  const { operations, directory, name } = context;
  const arrivals = arrivalControl(context);
  for (const { slug, kind, id } of await operations.list()) {
    const region = regionOfMove(id);
    if (kind !== "move" || region === name) continue;
    const move = await context.peer(region).move({ id });
    if (move && !hasEnded(move.state)) continue;
    if ((await directory.find(slug))?.region === name) await arrivals.endArrival({ slug, operation: id });
    else await arrivals.abandonArrival({ slug, operation: id });
  }
}

async function removeSlots(context: RegionContext): Promise<void> {
  const { pool, locations } = context;
  const { rows } = await pool.query<{ id: string; slug: string }>(
    `SELECT id, slug FROM moves WHERE NOT is_clean
       AND NOT EXISTS (SELECT FROM tenant_operations o WHERE o.slug = moves.slug AND o.kind = 'move')`,
  );
  for (const { id, slug } of rows) {
    for (const location of await locations.findEvery(slug)) {
      const source = await sourceOf(context, location);
      await dropSlot(source.pool, source.name);
      await closePublication(source.pool, source.schema, source.name);
    }
    await pool.query("UPDATE moves SET is_clean = true WHERE id = $1", [id]);
  }
}

async function forgetDeparted(context: RegionContext): Promise<void> {
  const { pool, directory, operations, platform, name } = context;
  const { rows } = await pool.query<{ slug: string }>(
    "SELECT slug FROM departures WHERE departed_at < $1::timestamptz - make_interval(secs => $2)",
    [platform.clock.now(), graceSeconds],
  );
  for (const { slug } of rows) {
    if ((await operations.find(slug)) !== undefined) continue;
    // It came back, and what is here is its own again.
    if ((await directory.find(slug))?.region !== name) {
      for (const part of tenantParts(context)) if (!keptParts.has(part.name)) await part.remove(slug);
    }
    await pool.query("DELETE FROM departures WHERE slug = $1", [slug]);
  }
}
