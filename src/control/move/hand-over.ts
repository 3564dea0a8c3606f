import { fault } from "../../core/error.ts";
import type { MoveKind } from "../../core/move/admit.ts";
import { compareRows } from "../../postgres/logical/initial-copy.ts";
import { restoreRelaxed } from "../../postgres/logical/relaxations.ts";
import { connectToSource } from "../../postgres/logical/source.ts";
import { connectToTarget } from "../../postgres/logical/target.ts";
import { describeSchema, fingerprintOf, schemaFingerprint } from "../../postgres/schema-fingerprint.ts";
import { readSequences, setSequences } from "../../postgres/sequences.ts";
import type { RegionContext } from "../region-context.ts";
import type { Arrival, ArrivingPeople } from "./arrival.ts";
import { sendFiles } from "./files.ts";
import type { MoveInput } from "./input.ts";
import { Moves } from "./moves.ts";
import { arrivalOf, hasSettled, leavingLocation, receiverOf, sourceOf, targetOf } from "./places.ts";
import type { Pumps } from "./pumps.ts";
import type { Verification } from "./verification.ts";

/** What is compared whole while the tenant waits: it takes some hundredths of a second. */
const smallBytes = 8 * 1024 * 1024;

interface HandOverParts {
  readonly context: RegionContext;
  readonly pumps: Pumps;
  readonly verification: Verification;
}

/** What earlier steps found out. */
interface Known {
  readonly kind: MoveKind;
  /** Fingerprint of the tenant's schema before anything was done to it. */
  readonly structure: string | undefined;
}

/**
 * Stops the tenant for a moment, brings the last changes over, and makes the new place its home. It ends with the
 * directory's row, from which on nothing is taken back; a repeat goes on wherever a crash came.
 * @throws E_MOVE_FAILED when both copies are not the same
 */
export async function handOver(parts: HandOverParts, input: MoveInput, known: Known): Promise<void> {
  const { kind } = known;
  const { context } = parts;
  const { directory, relocation, pool, platform } = context;
  const { slug, id, region, plan } = input;
  const moves = new Moves({ pool, clock: platform.clock });
  const [entry, move] = await Promise.all([directory.find(slug), moves.find(id)]);
  if (!entry || !move) throw fault("E_INTERNAL", `The move ${id} was not written down.`);
  const receiver = receiverOf(context, region);
  if (!hasSettled(entry, input)) {
    const isData = kind !== "plan";
    // Before the tenant waits: whatever can be asked for in advance.
    const arrival = isData ? await arrivalOf(context, input, entry.schemaVersion) : undefined;
    const people = kind === "region" ? await readPeople(context, slug) : undefined;
    if (arrival) await openPump(parts, input, arrival);
    await moves.noteFrozen(id);
    await relocation.freeze(slug, move.state);
    if (arrival) await bringTheRest(parts, input, arrival, known.structure);
    if (kind === "region") await sendFiles(context, receiver, { slug, operation: id });
    if (isData) await receiver.completeArrival({ slug, operation: id, ...(people && { people }) });
    // Also a new place in this region may be shut: by a freeze that was repeated after a crash.
    if (kind !== "region") await relocation.unlock({ slug, plan });
    const home = await newHome(context, input, arrival, entry.schemaVersion);
    await relocation.settle(slug, { region, plan, ...home }, move.state);
  }
  if (kind === "region") await receiver.welcomeArrival({ slug });
  await moves.noteSettled(id);
}

/** Takes a hand-over back that did not come to the directory's row. */
export async function takeBack({ context }: HandOverParts, input: MoveInput, kind: MoveKind): Promise<void> {
  const { directory, relocation, pool, platform } = context;
  const entry = await directory.find(input.slug);
  if (hasSettled(entry, input)) return;
  const move = await new Moves({ pool, clock: platform.clock }).find(input.id);
  if (kind !== "plan")
    await receiverOf(context, input.region).revertArrival({ slug: input.slug, operation: input.id });
  if (move) await relocation.thaw(input.slug, move.state);
}

async function openPump({ context, pumps }: HandOverParts, input: MoveInput, arrival: Arrival) {
  return pumps.get(input.id, async () => ({
    source: await sourceOf(context, await leavingLocation(context, input)),
    target: targetOf(arrival),
  }));
}

/** Nobody writes any more: the last changes, the sequences, and a look at both sides. */
async function bringTheRest(
  parts: HandOverParts,
  input: MoveInput,
  arrival: Arrival,
  structure: string | undefined,
): Promise<void> {
  const { context, verification } = parts;
  const pump = await openPump(parts, input, arrival);
  const source = await sourceOf(context, await leavingLocation(context, input));
  const [reader, writer] = await Promise.all([connectToSource(source), connectToTarget(targetOf(arrival))]);
  try {
    await pump.catchUp();
    await writer.query("BEGIN");
    await setSequences(writer, arrival.schema, await readSequences(reader, source.schema));
    await writer.query("COMMIT");
    await restoreRelaxed({
      source: reader,
      sourceSchema: source.schema,
      target: writer,
      schema: arrival.schema,
    });
    if ((await schemaFingerprint(writer, arrival.schema)) !== structure)
      throw fault("E_MOVE_FAILED", "The tables of the new place are not what they were when it was made.");
    const { rows } = await reader.query<{ bytes: string }>(sizeQuery, [source.schema]);
    if (Number(rows[0]?.bytes) <= smallBytes) {
      await compareRows({ reader, source, writer, target: arrival });
      verification.noteCompared(input.id);
    } else {
      await verification.hold(input.id, targetOf(arrival));
    }
  } finally {
    await Promise.all([reader.end(), writer.end()]);
  }
}

/** What the schema's rows take, and about what COPY makes of them. */
export const sizeQuery = `
  SELECT coalesce(sum(pg_table_size(oid)), 0) AS bytes FROM pg_class
  WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)`;

type Connection = Parameters<typeof describeSchema>[0];

/** The fingerprint of both. @throws E_MOVE_FAILED with the first definition that only one of them has */
export async function compareStructure(
  reader: Connection,
  sourceSchema: string,
  writer: Connection,
  targetSchema: string,
): Promise<string> {
  const [original, copy] = await Promise.all([
    describeSchema(reader, sourceSchema),
    describeSchema(writer, targetSchema),
  ]);
  const [here, there] = [new Set(original), new Set(copy)];
  const lost = original.find((line) => !there.has(line));
  const added = copy.find((line) => !here.has(line));
  if (lost !== undefined)
    throw fault("E_MOVE_FAILED", `The migrations don't make what the tenant has: ${lost.slice(0, 300)}.`);
  if (added !== undefined)
    throw fault(
      "E_MOVE_FAILED",
      `The migrations make what the tenant does not have: ${added.slice(0, 300)}.`,
    );
  return fingerprintOf(copy);
}

async function newHome(
  { locations }: RegionContext,
  { slug }: MoveInput,
  arrival: Arrival | undefined,
  schemaVersion: number,
): Promise<Pick<Arrival, "isolation" | "server"> & { readonly schemaVersion: number }> {
  const home = arrival ?? (await locations.find(slug));
  if (!home) throw fault("E_INTERNAL", `The tenant "${slug}" has no data location.`);
  return { isolation: home.isolation, server: home.server, schemaVersion };
}

async function readPeople({ pool }: RegionContext, slug: string): Promise<ArrivingPeople> {
  const [profiles, administrators] = await Promise.all([
    pool.query<{ name: string; administrator_email: string; settings: Record<string, unknown> }>(
      "SELECT name, administrator_email, settings FROM profiles WHERE slug = $1",
      [slug],
    ),
    pool.query<{ email: string; invited_at: Date }>(
      "SELECT email, invited_at FROM administrators WHERE slug = $1 ORDER BY email",
      [slug],
    ),
  ]);
  const [profile] = profiles.rows;
  if (!profile) throw fault("E_INTERNAL", `The tenant "${slug}" has no profile.`);
  return {
    profile: {
      slug,
      name: profile.name,
      administratorEmail: profile.administrator_email,
      settings: profile.settings,
    },
    administrators: administrators.rows.map(({ email, invited_at }) => ({
      email,
      invitedAt: invited_at.toISOString(),
    })),
  };
}
