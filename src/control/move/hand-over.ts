import { fault } from "../../core/error.ts";
import type { MoveKind } from "../../core/move/admit.ts";
import type { RegionContext } from "../region-context.ts";
import type { Arrival, ArrivingPeople } from "./arrival.ts";
import { untilClose } from "./copying.ts";
import { sendFiles } from "./files.ts";
import type { MoveInput } from "./input.ts";
import { LastChanges, type MoveMachinery } from "./last-changes.ts";
import { Moves } from "./moves.ts";
import { arrivalOf, hasSettled, receiverOf } from "./places.ts";

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
export async function handOver(parts: MoveMachinery, input: MoveInput, known: Known): Promise<void> {
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
    // Long after the last look, if a crash came between.
    if (isData && !move.frozenAt) await untilClose(parts, input);
    await using rest = arrival && (await LastChanges.prepare(parts, input, arrival));
    await moves.noteFrozen(id);
    await relocation.freeze(slug, move.state);
    const brought = await Promise.allSettled([
      rest?.bring(known.structure),
      kind === "region" ? sendFiles(context, receiver, { slug, operation: id }) : undefined,
    ]);
    const failure = brought.find((each) => each.status === "rejected");
    if (failure) throw failure.reason;
    if (isData) await receiver.completeArrival({ slug, operation: id, ...(people && { people }) });
    // Also a new place in this region may be shut: by a freeze that was repeated after a crash.
    if (kind !== "region") await relocation.unlock({ slug, plan });
    const home = await newHome(context, input, arrival, entry.schemaVersion);
    await relocation.settle(slug, { region, plan, ...home }, move.state);
  }
  // It lives there now, whether its region hears so at once or a moment later.
  if (kind === "region") await receiver.welcomeArrival({ slug }).catch(() => {});
  await moves.noteSettled(id);
}

/** Takes a hand-over back that did not come to the directory's row. */
export async function takeBack({ context }: MoveMachinery, input: MoveInput, kind: MoveKind): Promise<void> {
  const { directory, relocation, pool, platform } = context;
  const entry = await directory.find(input.slug);
  if (hasSettled(entry, input)) return;
  const move = await new Moves({ pool, clock: platform.clock }).find(input.id);
  const thaw = async () => {
    if (move) await relocation.thaw(input.slug, move.state);
  };
  const revert = () =>
    receiverOf(context, input.region).revertArrival({ slug: input.slug, operation: input.id });
  // To serve it here nothing is needed of the other region, which may be away.
  if (kind === "region") await thaw();
  if (kind !== "plan") await revert();
  await thaw();
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
