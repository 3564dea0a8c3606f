/** A tenant's allowance of requests. Refills steadily, up to the burst. */
export interface TokenBucket {
  readonly tokens: number;
  /** On the caller's monotonic clock. */
  readonly atMilliseconds: number;
}

/** Whether one more request may pass, and the bucket afterwards. */
export type TokenDecision =
  | { readonly allowed: true; readonly bucket: TokenBucket }
  | { readonly allowed: false; readonly bucket: TokenBucket; readonly retryAfterSeconds: number };

/**
 * Takes one token. A rate under one a second still holds one whole token, or nothing would ever pass.
 * Source: the token bucket of RFC 2697, with the burst in seconds of the rate.
 */
export function takeToken(
  bucket: TokenBucket | undefined,
  limit: {
    readonly perSecond: number;
    readonly nowMilliseconds: number;
    /** How many seconds' worth may pass at once after a quiet time. Default 1. */
    readonly burstSeconds?: number;
  },
): TokenDecision {
  const { perSecond, nowMilliseconds, burstSeconds = 1 } = limit;
  const capacity = Math.max(1, perSecond * burstSeconds);
  const elapsedMilliseconds = bucket ? Math.max(0, nowMilliseconds - bucket.atMilliseconds) : 0;
  const tokens = bucket
    ? Math.min(capacity, bucket.tokens + (elapsedMilliseconds * perSecond) / 1000)
    : capacity;
  if (tokens >= 1) return { allowed: true, bucket: { tokens: tokens - 1, atMilliseconds: nowMilliseconds } };
  return {
    allowed: false,
    bucket: { tokens, atMilliseconds: nowMilliseconds },
    retryAfterSeconds: Math.max(1, Math.ceil((1 - tokens) / perSecond)),
  };
}
