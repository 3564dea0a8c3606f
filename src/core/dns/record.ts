import { z } from "zod";
import { fault } from "../error.ts";

export interface DnsRecord {
  /** Full name without a trailing dot; `*.` in front makes a wildcard (RFC 4592). */
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME" | "TXT";
  readonly ttlSeconds: number;
  readonly values: readonly string[];
}

/** RFC 2181, section 8. */
const maximumTtlSeconds = 2 ** 31 - 1;

/** The name in the one spelling in which names are kept and compared: DNS ignores the case of ASCII letters alone. */
export function canonicalName(name: string): string {
  return name.replace(/[A-Z]+/g, (letters) => letters.toLowerCase()).replace(/\.$/, "");
}

/** Whether the canonical name is the zone's apex or below it. */
export function isWithin(zone: string, name: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

/** The record with canonical names, if the zone can hold it. @throws E_ARGUMENT */
export function checkRecord(record: DnsRecord, zone: string): DnsRecord {
  const name = canonicalName(record.name);
  checkName(name);
  if (!isWithin(zone, name)) throw refused(name, `is not in the zone ${zone}`);
  const { ttlSeconds, type } = record;
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 0 || ttlSeconds > maximumTtlSeconds) {
    throw refused(name, `can't have the time to live ${ttlSeconds}`);
  }
  if (type === "CNAME" && name === zone) throw refused(name, "is the zone's apex, which can't be an alias");
  const values = type === "CNAME" ? record.values.map(canonicalName) : record.values;
  if (values.length === 0 || new Set(values).size < values.length)
    throw refused(name, "needs values, each once");
  if (type === "CNAME" && values.length > 1) throw refused(name, "can be the alias of one name only");
  for (const value of values) checkValue(name, type, value);
  return { name, type, ttlSeconds, values };
}

function checkValue(name: string, type: DnsRecord["type"], value: string): void {
  if (type === "A" && !z.ipv4().safeParse(value).success)
    throw refused(name, `can't have the IPv4 address "${value}"`);
  if (type === "AAAA" && !z.ipv6().safeParse(value).success) {
    throw refused(name, `can't have the IPv6 address "${value}"`);
  }
  if (type === "CNAME") checkName(value);
  if (type === "TXT" && (value === "" || new TextEncoder().encode(value).length > 4000)) {
    throw refused(name, "needs texts of 1 to 4000 bytes");
  }
}

/** Labels of 1 to 63 letters, digits, hyphens and underscores, 253 in all; `*` alone may be the first. */
function checkName(name: string): void {
  const label = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?";
  if (name.length > 253 || !new RegExp(`^(?:\\*|${label})(?:\\.${label})*$`).test(name)) {
    throw fault("E_ARGUMENT", `"${name}" is no name that DNS can hold.`);
  }
}

function refused(name: string, why: string): Error {
  return fault("E_ARGUMENT", `The record ${name} ${why}.`);
}
