/** What became of one attempt to hand a message to a mail server. */
export type DeliveryOutcome =
  | { readonly type: "sent" }
  /** The server understood, and will never take this message. */
  | { readonly type: "refused"; readonly error: string }
  /** Another attempt may do; `reached` is false when no server answered at all. */
  | { readonly type: "postponed"; readonly error: string; readonly reached: boolean };

/** What the outbox writes down. */
export type DeliveryDecision =
  | { readonly status: "sent" }
  | { readonly status: "failed"; readonly error: string }
  | { readonly status: "queued"; readonly error: string; readonly retryAfterSeconds: number };

const firstRetrySeconds = 60;
const longestRetrySeconds = 3600;

/** How long a message is tried; RFC 5321, 4.5.4.1 asks for four to five days. */
const giveUpAfterSeconds = 4 * 86_400;

/** Decides by the attempts so far (this one counted) and the message's age: pauses double from a minute to an hour. */
export function decideDelivery(
  outcome: DeliveryOutcome,
  message: { readonly attempts: number; readonly ageSeconds: number },
): DeliveryDecision {
  if (outcome.type === "sent") return { status: "sent" };
  if (outcome.type === "refused") return { status: "failed", error: outcome.error };
  if (message.ageSeconds >= giveUpAfterSeconds) {
    return { status: "failed", error: `Given up after ${message.attempts} attempts: ${outcome.error}` };
  }
  const retryAfterSeconds = Math.min(firstRetrySeconds * 2 ** (message.attempts - 1), longestRetrySeconds);
  return { status: "queued", error: outcome.error, retryAfterSeconds };
}
