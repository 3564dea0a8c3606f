/** How often a region says that it lives, and each of its servers commits something. */
export const heartbeatSeconds = 1;

/**
 * What was lost at most, in seconds: from the newest moment whose writes had arrived to the last at which the region
 * may have acknowledged one. It said every second that it lived, so it may have gone on for one more.
 */
export function lostSeconds(lastAlive: Date, arrivedUntil: Date): number {
  const seconds = (lastAlive.getTime() - arrivedUntil.getTime()) / 1000 + heartbeatSeconds;
  return Math.max(0, Math.round(seconds * 1000) / 1000);
}
