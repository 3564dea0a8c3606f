import type { MoveKind } from "../../core/move/admit.ts";
import { closePublication } from "../../postgres/logical/publication.ts";
import { dropSlot } from "../../postgres/logical/slot.ts";
import type { RegionContext } from "../region-context.ts";
import type { MoveInput } from "./input.ts";
import { leavingLocation, receiverOf, sourceOf } from "./places.ts";

/** Ends the copying, and leaves the old place to be dropped later. What can't be done now, a sweep does. */
export async function leave(
  context: RegionContext,
  input: MoveInput,
  { kind, keepsOld }: { readonly kind: MoveKind; readonly keepsOld: boolean },
): Promise<void> {
  const { locations, pool, platform } = context;
  const { slug, id } = input;
  if (kind === "plan") return;
  if (kind === "region") {
    await locations.retire(slug, id);
    await pool.query("INSERT INTO departures (slug, departed_at) VALUES ($1, $2) ON CONFLICT DO NOTHING", [
      slug,
      platform.clock.now(),
    ]);
  }
  if (keepsOld) {
    await pool.query("UPDATE data_locations SET retired_at = 'infinity' WHERE slug = $1 AND operation = $2", [
      slug,
      id,
    ]);
  }
  await receiverOf(context, input.region).endArrival({ slug, operation: id });
  const source = await sourceOf(context, await leavingLocation(context, input));
  await dropSlot(source.pool, source.name);
  await closePublication(source.pool, source.schema, source.name);
  await pool.query("DELETE FROM moved_files WHERE operation = $1", [id]);
}
