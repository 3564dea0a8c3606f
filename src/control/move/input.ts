/** A move as its workflow keeps it. The tenant's data, and who it is, are no part of it. */
export interface MoveInput {
  /** Begins with the name of the region that the tenant leaves. */
  readonly id: string;
  readonly slug: string;
  readonly region: string;
  readonly plan: string;
  readonly consent?: string;
  /** Name of the operator. */
  readonly askedBy: string;
}

const middle = ".move.";

/** The id of a move out of the region; `unique` tells it from others. */
export function moveId(region: string, unique: string): string {
  return `${region}${middle}${unique}`;
}

/** The region that a move with this id leaves. */
export function regionOfMove(id: string): string {
  return id.slice(0, Math.max(0, id.indexOf(middle)));
}
