import { z } from "zod";
import { fault } from "../error.ts";

/** A mailbox: what stands in a From or To header. */
export interface Mailbox {
  /** Empty when there is none. */
  readonly name: string;
  readonly address: string;
}

/** The longest address that a mail server takes (RFC 5321, 4.5.3.1.3, without its brackets). */
const maximumAddressLength = 254;

const maximumHeaderLength = 900;

// biome-ignore lint/suspicious/noControlCharactersInRegex: a line break in a header would begin another header
const controlCharacter = /[\u0000-\u001f\u007f\u0085\u2028\u2029]/;

/**
 * Reads `"Acme <acme@bookshop.example>"` or a bare address: exactly one mailbox, with the addresses that a browser's
 * e-mail field takes. @throws E_ARGUMENT
 */
export function parseMailbox(text: string, field: "from" | "to"): Mailbox {
  checkHeader(text, field);
  const named = /^([^<>]*)<([^<>]*)>$/.exec(text.trim());
  const address = (named ? (named[2] ?? "") : text).trim();
  const name = unquote((named?.[1] ?? "").trim());
  if (address.length > maximumAddressLength || !z.regexes.html5Email.test(address)) {
    throw fault(
      "E_ARGUMENT",
      `The mail's "${field}" ${JSON.stringify(text.slice(0, 80))} is not an e-mail address.`,
    );
  }
  return { name, address };
}

/** The text of a quoted string (RFC 5322, 3.2.4); any other text as it is. */
function unquote(text: string): string {
  const quoted = /^"(.*)"$/.exec(text)?.[1];
  return quoted === undefined ? text : quoted.replace(/\\(.)/g, "$1");
}

/** The form in which an address is compared: mail systems that tell case apart have died out. @throws E_ARGUMENT */
export function normalizeAddress(text: string): string {
  return parseMailbox(text, "to").address.toLowerCase();
}

/** Refuses what can't be sent as it is. @throws E_ARGUMENT */
export function checkMessage(message: {
  readonly subject: string;
  readonly text: string;
  readonly html?: string;
  readonly idempotencyKey: string;
}): void {
  checkHeader(message.subject, "subject");
  if (message.idempotencyKey === "") throw fault("E_ARGUMENT", "The mail's idempotencyKey is empty.");
  checkHeader(message.idempotencyKey, "idempotencyKey");
  for (const [name, body] of [
    ["text", message.text],
    ["html", message.html ?? ""],
  ] as const) {
    if (body.includes("\0") || !body.isWellFormed()) {
      throw fault("E_ARGUMENT", `The mail's ${name} has a zero character or half a character in it.`);
    }
  }
}

function checkHeader(text: string, field: string): void {
  if (text.length > maximumHeaderLength || controlCharacter.test(text) || !text.isWellFormed()) {
    throw fault("E_ARGUMENT", `The mail's "${field}" has a line break or control character, or is too long.`);
  }
}
