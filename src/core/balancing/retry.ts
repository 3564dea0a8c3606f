/** One attempt that failed before anything of an answer was passed on. */
export interface FailedAttempt {
  readonly method: string;
  /** False only when it is certain that no byte of the request reached a target. */
  readonly sent: boolean;
  /** The whole body is still at hand (or there is none). */
  readonly bodyRepeatable: boolean;
  /** Attempts so far, this one included, of which a target may have seen something. */
  readonly sentAttempts: number;
}

/** Source: RFC 9110, 9.2.2. TRACE is never served. */
const idempotentMethods: ReadonlySet<string> = new Set(["GET", "HEAD", "PUT", "DELETE", "OPTIONS"]);

/** A request that kills whoever reads it must not be shown to the whole fleet. */
const maximumSentAttempts = 3;

/** True when the request may go to a target once more without a risk of being carried out twice. */
export function mayRepeat(attempt: FailedAttempt): boolean {
  if (!attempt.sent) return true;
  return isIdempotent(attempt.method) && attempt.bodyRepeatable && attempt.sentAttempts < maximumSentAttempts;
}

/** True when carrying the request out twice means the same as once. */
export function isIdempotent(method: string): boolean {
  return idempotentMethods.has(method);
}
