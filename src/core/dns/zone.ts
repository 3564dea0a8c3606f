import { canonicalName, type DnsRecord, isWithin } from "./record.ts";

/** All records of one name and type. */
export interface RecordSet {
  readonly name: string;
  readonly type: DnsRecord["type"] | "NS" | "SOA";
  readonly ttlSeconds: number;
  /** As a zone file has them; names without their last dot. */
  readonly values: readonly string[];
}

type RecordSets = ReadonlyMap<string, RecordSet>;

/** A zone as it is served. */
export interface Zone {
  readonly apex: string;
  readonly soa: RecordSet;
  readonly nameServers: RecordSet;
  /** Every name that exists; one without records has others below it (an "empty non-terminal"). */
  readonly names: ReadonlyMap<string, RecordSets>;
}

export interface ZoneOptions {
  readonly apex: string;
  /** At least one; those inside the zone are given their addresses here. */
  readonly nameServers: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** Grows with each change. */
  readonly serial: number;
  /** How long others may remember that a name isn't there. */
  readonly negativeTtlSeconds: number;
}

const infrastructureTtlSeconds = 3600;

/** The zone of these records, with its SOA, NS and its name servers' addresses. */
export function buildZone(records: readonly DnsRecord[], options: ZoneOptions): Zone {
  const apex = canonicalName(options.apex);
  const servers = options.nameServers.map((server) => ({ ...server, name: canonicalName(server.name) }));
  const names = new Map<string, Map<string, RecordSet>>();
  const add = (set: RecordSet) => {
    for (let name = set.name; name !== apex; name = parentOf(name)) {
      if (!names.has(name)) names.set(name, new Map());
    }
    names.get(set.name)?.set(set.type, set);
  };
  const atApex = { name: apex, ttlSeconds: infrastructureTtlSeconds };
  // Primary, hostmaster, serial, refresh, retry, expire, minimum: RFC 1035, section 3.3.13 and RFC 2308, section 4.
  const soa = `${servers[0]?.name ?? apex} hostmaster.${apex} ${options.serial} 3600 600 604800 ${options.negativeTtlSeconds}`;
  const nameServers: RecordSet = { ...atApex, type: "NS", values: servers.map((server) => server.name) };
  const zone = { apex, soa: { ...atApex, type: "SOA" as const, values: [soa] }, nameServers, names };
  names.set(apex, new Map());
  for (const set of [zone.soa, nameServers]) add(set);
  for (const { name, addresses } of servers) if (isWithin(apex, name)) addAddresses(add, name, addresses);
  for (const record of records) if (isWithin(apex, record.name)) add(record);
  return zone;
}

function addAddresses(add: (set: RecordSet) => void, name: string, addresses: readonly string[]): void {
  const six = addresses.filter((address) => address.includes(":"));
  const four = addresses.filter((address) => !address.includes(":"));
  const base = { name, ttlSeconds: infrastructureTtlSeconds };
  if (four.length > 0) add({ ...base, type: "A", values: four });
  if (six.length > 0) add({ ...base, type: "AAAA", values: six });
}

function parentOf(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}

export interface Lookup {
  /** `absent`: the name isn't there. `empty`: it is, without such records. `outside`: it is none of this zone. */
  readonly outcome: "found" | "empty" | "absent" | "outside";
  /** Aliases that were followed come first. */
  readonly answers: readonly RecordSet[];
}

/** More aliases than anyone means to chain. */
const longestChain = 8;

/**
 * What the zone says of a canonical name. Follows aliases as long as they stay inside; then the last name decides.
 * Sources: RFC 1034, section 4.3.2; RFC 4592 for wildcards; RFC 6604 for the outcome after aliases.
 */
export function lookup(zone: Zone, name: string, type: string): Lookup {
  const answers: RecordSet[] = [];
  for (let current = name; ; ) {
    if (!isWithin(zone.apex, current)) return { outcome: answers.length > 0 ? "found" : "outside", answers };
    const sets = setsOf(zone, current);
    if (!sets) return { outcome: "absent", answers };
    const alias = type === "CNAME" ? undefined : sets.get("CNAME");
    const found = alias ?? sets.get(type);
    if (!found) return { outcome: "empty", answers };
    // A wildcard's records appear under the name that was asked for.
    answers.push({ ...found, name: current });
    const target = alias?.values[0];
    if (target === undefined || answers.length >= longestChain) return { outcome: "found", answers };
    if (answers.some((answer) => answer.name === target)) return { outcome: "found", answers };
    current = target;
  }
}

/** The records of the name, or of the wildcard that stands for it; `undefined` when it isn't there. */
function setsOf(zone: Zone, name: string): RecordSets | undefined {
  const own = zone.names.get(name);
  if (own) return own;
  // Only the wildcard right below the closest name that exists may stand for it (RFC 4592, section 3.3.1).
  let encloser = parentOf(name);
  while (!zone.names.has(encloser)) encloser = parentOf(encloser);
  return zone.names.get(`*.${encloser}`);
}
