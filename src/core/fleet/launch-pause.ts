const firstPauseSeconds = 0.5;
const longestPauseSeconds = 30;

/** How long to wait with the next launch after so many instances in a row ended before they were healthy, in seconds. */
export function launchPauseSeconds(failuresInARow: number): number {
  if (failuresInARow === 0) return 0;
  return Math.min(longestPauseSeconds, firstPauseSeconds * 2 ** (failuresInARow - 1));
}
