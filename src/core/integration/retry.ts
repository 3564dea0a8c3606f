/** How often, how long and how patiently a webhook is tried. */
export interface WebhookRetryPolicy {
  readonly maxAttempts: number;
  /** Each attempt is given up after so long without a complete answer. */
  readonly attemptTimeoutMilliseconds: number;
  /** The pause before the second attempt; each later one is twice as long. */
  readonly firstPauseMilliseconds: number;
  /** No pause is begun that would end later than this after the first attempt; longer waits are the caller's. */
  readonly totalMilliseconds: number;
}

export const defaultWebhookRetryPolicy: WebhookRetryPolicy = {
  maxAttempts: 5,
  attemptTimeoutMilliseconds: 10_000,
  firstPauseMilliseconds: 500,
  totalMilliseconds: 15_000,
};

/** What one attempt came to: an HTTP status, or none when there was no answer. */
export interface WebhookAnswer {
  readonly status: number | undefined;
  /** The header's value. */
  readonly retryAfter?: string | undefined;
}

/** Statuses below 500 that may pass: timeout, too early, too many (RFC 9110, 8470, 6585). */
const passingStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

/**
 * The milliseconds to wait before the next attempt; `undefined` when there is to be none. `chance` is uniform in
 * 0 to 1: half of each pause is random, so that those who failed together don't come back together. The receiver's
 * Retry-After is never undercut.
 */
export function webhookPause(
  policy: WebhookRetryPolicy,
  answer: WebhookAnswer,
  progress: {
    readonly attempts: number;
    readonly elapsedMilliseconds: number;
    readonly now: Date;
    readonly chance: number;
  },
): number | undefined {
  if (progress.attempts >= policy.maxAttempts || !mayPass(answer.status)) return undefined;
  const longest = policy.firstPauseMilliseconds * 2 ** (progress.attempts - 1);
  const asked = parseRetryAfter(answer.retryAfter, progress.now);
  const pause = Math.max(asked, (longest / 2) * (1 + progress.chance));
  return progress.elapsedMilliseconds + pause > policy.totalMilliseconds ? undefined : pause;
}

function mayPass(status: number | undefined): boolean {
  return status === undefined || status >= 500 || passingStatuses.has(status);
}

/** Seconds or a date (RFC 9110, 10.2.3), as milliseconds from now; 0 when absent or malformed. */
function parseRetryAfter(value: string | undefined, now: Date): number {
  if (value === undefined) return 0;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? 0 : Math.max(0, date - now.getTime());
}
