import { fault } from "../../core/error.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import type { Source } from "../../postgres/logical/source.ts";
import type { Target } from "../../postgres/logical/target.ts";
import type { AuditRecord } from "../audit.ts";
import type { RegionContext } from "../region-context.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import { type Arrival, type ArrivalControl, arrivalControl } from "./arrival.ts";
import type { MoveInput } from "./input.ts";

const applicationName = "rowhouse-move";

/** Slots and publications of moves are named so, after the location that they read. */
const moveNamePrefix = "rowhouse_move_";

/** Who receives the tenant: another region's controller, or this one itself. */
export function receiverOf(context: RegionContext, region: string): ArrivalControl {
  return region === context.name ? arrivalControl(context) : context.peer(region);
}

/** The location that the tenant leaves: its current one, or the one that this move has retired. */
export async function leavingLocation(
  { locations }: RegionContext,
  { slug, id }: Pick<MoveInput, "slug" | "id">,
): Promise<StoredLocation> {
  const location = (await locations.findRetiredBy(id)) ?? (await locations.find(slug));
  if (!location) throw fault("E_INTERNAL", `The tenant "${slug}" has no data location.`);
  return location;
}

/** What both regions keep of the decision to move the tenant out of `from`. */
export function auditOf(from: string, { id, slug, region, plan, askedBy, consent }: MoveInput): AuditRecord {
  const details = { from, to: region, plan, ...(consent !== undefined && { consent }) };
  return { actor: askedBy, action: "move", tenant: slug, operation: id, details };
}

/** Asks the receiver for the new place again: what can log in there is kept nowhere. */
export async function arrivalOf(
  context: RegionContext,
  input: MoveInput,
  schemaVersion: number,
): Promise<Arrival> {
  const { slug, id, plan, region } = input;
  return receiverOf(context, region).prepareArrival({
    slug,
    operation: id,
    plan,
    schemaVersion,
    audit: auditOf(context.name, input),
  });
}

/** How the rows of a location are read. */
export async function sourceOf(
  { administration, platform }: RegionContext,
  location: StoredLocation,
): Promise<Source> {
  const { server, database, schema } = location;
  const [endpoint, credentials, pool] = await Promise.all([
    platform.databases.endpoint(server),
    platform.databases.administrator(server),
    administration.pool(server, database),
  ]);
  return {
    pool,
    connection: { endpoint, credentials, database, applicationName },
    schema,
    name: moveNamePrefix + location.id,
  };
}

/** How rows are written at the new place. */
export function targetOf(arrival: Arrival): Target {
  const { endpoint, database, owner: user, password, schema, id } = arrival;
  return { connection: { endpoint, database, credentials: { user, password }, applicationName }, schema, id };
}

/** True from the moment on that the directory names the new home: then nothing may be taken back. */
export function hasSettled(entry: DirectoryEntry | undefined, { region, plan }: MoveInput): boolean {
  return entry?.region === region && entry.plan === plan && entry.state !== "moving";
}
