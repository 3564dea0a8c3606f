/** How a request's body has come in so far; time during which nobody wanted to read it does not count. */
export interface UploadPace {
  /** Since the last byte. */
  readonly idleMilliseconds: number;
  /** In all. */
  readonly waitedMilliseconds: number;
  readonly receivedBytes: number;
}

const longestIdleMilliseconds = 10_000;
const freeMilliseconds = 10_000;
const leastBytesPerSecond = 500;

/**
 * True when the client keeps a connection by sending its body hardly or not at all.
 * Source: Apache httpd mod_reqtimeout, `body=20,MinRate=500`, with half the time.
 */
export function isTooSlow(pace: UploadPace): boolean {
  if (pace.idleMilliseconds > longestIdleMilliseconds) return true;
  return pace.waitedMilliseconds > freeMilliseconds + (pace.receivedBytes / leastBytesPerSecond) * 1000;
}
