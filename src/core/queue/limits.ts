import { fault } from "../error.ts";

/**
 * What every queue engine takes, so that what works on one works on the others.
 * Source: Amazon SQS developer guide, "Message quotas" and SendMessage.
 */
export const queueLimits = {
  bodyBytes: 262_144,
  delaySeconds: 900,
  visibilityTimeoutSeconds: 43_200,
  waitSeconds: 20,
  batch: 10,
  maxReceives: 1000,
} as const;

/** What a queue's name and this make the name of the queue of its dead letters, where an engine has one. */
export const deadLetterSuffix = "-dead";

/** 1 to 80 letters, digits, hyphens and underscores, not ending in what marks dead letters. @throws E_ARGUMENT */
export function checkQueueName(name: string): void {
  if (!/^[A-Za-z0-9_-]{1,80}$/.test(name)) {
    throw fault(
      "E_ARGUMENT",
      `"${name}" is no queue's name: it takes 1 to 80 letters, digits, hyphens and underscores.`,
    );
  }
  if (name.endsWith(deadLetterSuffix)) {
    throw fault(
      "E_ARGUMENT",
      `"${name}" is no queue's name: names that end in "${deadLetterSuffix}" are for dead letters.`,
    );
  }
}

/** Text that isn't empty, isn't too long, and has only characters that XML 1.0 knows. @throws E_ARGUMENT */
export function checkMessageBody(body: string): void {
  const bytes = new TextEncoder().encode(body).length;
  if (bytes === 0 || bytes > queueLimits.bodyBytes) {
    throw fault(
      "E_ARGUMENT",
      `A message's body has 1 to ${queueLimits.bodyBytes} bytes, and this one ${bytes}.`,
    );
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (!body.isWellFormed() || /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.test(body)) {
    throw fault("E_ARGUMENT", "A message's body holds a control character or half a character.");
  }
}

/** A number from `least` to `most`; the seconds of a queue need not be whole. @throws E_ARGUMENT */
export function checkRange(what: string, value: number, least: number, most: number): void {
  if (!(value >= least && value <= most)) {
    throw fault("E_ARGUMENT", `${what} is ${value}, and must be from ${least} to ${most}.`);
  }
}
