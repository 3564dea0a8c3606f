import { fault } from "../../core/error.ts";
import { refreshViews } from "../../postgres/logical/materialized-views.ts";
import { findObstacles } from "../../postgres/logical/obstacles.ts";
import { openPublication } from "../../postgres/logical/publication.ts";
import { Pump } from "../../postgres/logical/pump.ts";
import { relax } from "../../postgres/logical/relaxations.ts";
import { connectToSource } from "../../postgres/logical/source.ts";
import { connectToTarget } from "../../postgres/logical/target.ts";
import type { RegionContext } from "../region-context.ts";
import type { MoveInput } from "./input.ts";
import type { MoveMachinery } from "./last-changes.ts";
import { Moves } from "./moves.ts";
import { arrivalOf, leavingLocation, sourceOf, targetOf } from "./places.ts";
import { compareStructure, sizeQuery } from "./structure.ts";

/**
 * A copy that is so little behind is brought up while the tenant hardly notices; where a busy server takes longer for
 * anything, it is that much later.
 */
const closeMilliseconds = { atFirst: 150, afterAMinute: 500 };
/** A tenant that writes faster than its changes can be applied never comes close. */
const followMinutes = 15;

const minuteMilliseconds = 60_000;
const progressMilliseconds = 500;

/** What `copy-rows` did. */
export interface CopiedResult {
  readonly rows: number;
  readonly bytes: number;
  readonly copyMs: number;
}

/** The schema version that the tenant has. @throws E_TENANT_NOT_FOUND */
export async function versionOf({ directory }: RegionContext, { slug }: MoveInput): Promise<number> {
  const entry = await directory.find(slug);
  if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${slug}".`);
  return entry.schemaVersion;
}

/** The fingerprint of the tables at both places. @throws E_MOVE_UNSUPPORTED with all that can't be carried, E_MOVE_FAILED when the tables are not the same */
export async function compareBoth(context: RegionContext, input: MoveInput): Promise<string> {
  const location = await leavingLocation(context, input);
  const source = await sourceOf(context, location);
  const arrival = await arrivalOf(context, input, await versionOf(context, input));
  const [reader, writer] = await Promise.all([connectToSource(source), connectToTarget(targetOf(arrival))]);
  try {
    const obstacles = await findObstacles(reader, source.schema, [location.ownerRole, location.appRole]);
    if (obstacles.length > 0)
      throw fault("E_MOVE_UNSUPPORTED", `The tenant "${input.slug}" has ${obstacles.join("; ")}.`);
    return await compareStructure(reader, source.schema, writer, arrival.schema);
  } finally {
    await Promise.all([reader.end(), writer.end()]);
  }
}

/** Fills materialized views at the new place: what is computed from rows is no row of the stream. */
export async function refreshBoth(context: RegionContext, input: MoveInput): Promise<void> {
  const source = await sourceOf(context, await leavingLocation(context, input));
  const arrival = await arrivalOf(context, input, await versionOf(context, input));
  const [reader, writer] = await Promise.all([connectToSource(source), connectToTarget(targetOf(arrival))]);
  try {
    await refreshViews({ reader, sourceSchema: source.schema, writer, schema: arrival.schema });
  } finally {
    await Promise.all([reader.end(), writer.end()]);
  }
}

/** Copies the rows from the beginning, however far an earlier attempt came: its snapshot ended with it. */
export async function copyRows({ context, pumps }: MoveMachinery, input: MoveInput): Promise<CopiedResult> {
  const { platform, pool } = context;
  const { clock } = platform;
  await pumps.stop(input.id);
  const source = await sourceOf(context, await leavingLocation(context, input));
  const target = targetOf(await arrivalOf(context, input, await versionOf(context, input)));
  const { rows } = await source.pool.query<{ bytes: string }>(sizeQuery, [source.schema]);
  const total = Number(rows[0]?.bytes);
  const [reader, writer] = await Promise.all([connectToSource(source), connectToTarget(target)]);
  try {
    await relax({ source: reader, sourceSchema: source.schema, target: writer, schema: target.schema });
  } finally {
    await Promise.all([reader.end(), writer.end()]);
  }
  await openPublication(source);
  const moves = new Moves({ pool, clock });
  const startedAt = clock.elapsedMilliseconds();
  let notedAt = Number.NEGATIVE_INFINITY;
  const { pump, copied } = await Pump.copy({
    source,
    target,
    onProgress: (bytes) => {
      const now = clock.elapsedMilliseconds();
      if (now - notedAt < progressMilliseconds) return;
      notedAt = now;
      moves.noteBytes(input.id, bytes, total).catch(() => {});
    },
  });
  pumps.keep(input.id, pump);
  return { ...copied, copyMs: Math.round(clock.elapsedMilliseconds() - startedAt) };
}

/** Resolves when the copy is hardly behind, twice in a row. @throws E_MOVE_FAILED when it never is */
export async function untilClose({ context, pumps }: MoveMachinery, input: MoveInput): Promise<void> {
  const { clock } = context.platform;
  const target = async () => targetOf(await arrivalOf(context, input, await versionOf(context, input)));
  const source = await sourceOf(context, await leavingLocation(context, input));
  const pump = await pumps.get(input.id, async () => ({ source, target: await target() }));
  const startedAt = clock.elapsedMilliseconds();
  for (let inTime = 0; inTime < 2; ) {
    const askedAt = clock.elapsedMilliseconds();
    await pump.catchUp();
    const now = clock.elapsedMilliseconds();
    const waited = now - startedAt;
    const { atFirst, afterAMinute } = closeMilliseconds;
    inTime = now - askedAt <= (waited < minuteMilliseconds ? atFirst : afterAMinute) ? inTime + 1 : 0;
    if (waited > followMinutes * minuteMilliseconds && inTime === 0) {
      throw fault(
        "E_MOVE_FAILED",
        `The tenant "${input.slug}" is written faster than its changes can be brought over.`,
      );
    }
  }
}
