import { fault, type RowhouseError } from "../error.ts";

/**
 * What every registry keeps. Source: Amazon DynamoDB developer guide, "Quotas": keys of 2,048 and 1,024 bytes, items of
 * 400 KB with their names and keys, of which the attributes get 384 KiB as JSON; numbers from 1E-130 to 9.9E+125;
 * expressions of 4 KB, which hold several times the attributes that may be named at once.
 */
export const registryLimits = {
  domainBytes: 2048,
  nameBytes: 1024,
  attributesBytes: 384 * 1024,
  smallestNumber: 1e-130,
  largestNumber: 9.9e125,
  /** Attributes that one update changes, or one query asks for. */
  namedAttributes: 50,
} as const;

type Attributes = Readonly<Record<string, string | number | boolean | null>>;

/**
 * Refuses what no registry can keep as it is: keys that are empty or too long, text with a zero character or half a
 * character, numbers that JSON or DynamoDB don't know, and more than an item holds. @throws E_ARGUMENT
 */
export function checkRegistryWrite(domain: string, name: string, attributes: Attributes): void {
  const item = `${domain}/${name}`.slice(0, 200);
  if (domain === "" || name === "") throw fault("E_ARGUMENT", "A registry item needs a domain and a name.");
  if (bytes(domain) > registryLimits.domainBytes || bytes(name) > registryLimits.nameBytes)
    throw fault("E_ARGUMENT", `The domain or the name of ${item} is too long.`);
  for (const text of [domain, name]) checkText(text, item);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "") throw fault("E_ARGUMENT", `An attribute of ${item} has an empty name.`);
    checkText(key, item);
    if (typeof value === "string") checkText(value, item);
    if (typeof value === "number" && !isKept(value))
      throw fault("E_ARGUMENT", `The attribute "${key}" of ${item} is ${value}, which can't be stored.`);
  }
  if (bytes(JSON.stringify(attributes)) > registryLimits.attributesBytes) throw itemTooLarge(domain, name);
}

/** Refuses more attributes than one update or query can name. @throws E_ARGUMENT */
export function checkNamedAttributes(attributes: Attributes): void {
  const count = Object.keys(attributes).length;
  if (count > registryLimits.namedAttributes)
    throw fault(
      "E_ARGUMENT",
      `${count} attributes are named at once, and at most ${registryLimits.namedAttributes} can be.`,
    );
}

/** E_ARGUMENT for an item that a write would make too large. */
export function itemTooLarge(domain: string, name: string): RowhouseError {
  return fault(
    "E_ARGUMENT",
    `The registry item ${`${domain}/${name}`.slice(0, 200)} would have more than ${registryLimits.attributesBytes} bytes.`,
  );
}

function isKept(value: number): boolean {
  const magnitude = Math.abs(value);
  return (
    value === 0 || (magnitude >= registryLimits.smallestNumber && magnitude <= registryLimits.largestNumber)
  );
}

function checkText(text: string, item: string): void {
  if (text.includes("\0") || !text.isWellFormed())
    throw fault("E_ARGUMENT", `A text of ${item} has a zero character or half a character in it.`);
}

function bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}
