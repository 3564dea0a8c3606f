/** What lay idle for so long is anyone's. */
const longUnusedMilliseconds = 30_000;
/** What lay idle for so long is for who waited long. */
const unusedEnoughMilliseconds = 1_000;
/** Connections of which none came back for so long are held by something slow. */
const stuckMilliseconds = 50;
/** For a waiter of this age a connection is closed although its own login still has use for it. */
export const starvingMilliseconds = 100;

/**
 * Whether a waiter's need is worth closing the connection that was unused longest. It costs two openings, for the
 * other will be wanted again. Who has no connection must have one. Who has some gets another when these are stuck,
 * or it waited long while others lay unused; where connections come and go, it is the machine that is short, not
 * connections. Times are ages in milliseconds.
 */
export function isWorthEvicting(need: {
  readonly oldestUnused: number;
  readonly hasSome: boolean;
  readonly sinceRelease: number;
  readonly waited: number;
}): boolean {
  if (need.oldestUnused >= longUnusedMilliseconds || !need.hasSome) return true;
  if (need.sinceRelease >= stuckMilliseconds) return true;
  return need.waited >= starvingMilliseconds && need.oldestUnused >= unusedEnoughMilliseconds;
}
