import {
  ListResourceRecordSetsCommand,
  type ListResourceRecordSetsCommandInput,
  type ListResourceRecordSetsCommandOutput,
  type ResourceRecordSet,
  type Route53Client,
} from "@aws-sdk/client-route-53";
import { canonicalName, checkRecord, isWithin } from "../core/dns/record.ts";
import { fault } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { Dns, DnsRecord } from "../ports/dns.ts";
import { createCallPace } from "./dns/calls.ts";
import { ChangeQueue } from "./dns/changes.ts";
import { fromRoute53Name, fromRoute53Value, toRoute53Value } from "./dns/format.ts";
import { isAwsError } from "./fault.ts";

export interface DnsOptions {
  readonly client: Route53Client;
  readonly hostedZoneId: string;
  /** Name of the hosted zone. */
  readonly zone: string;
  readonly clock: Clock;
}

const defaultLimit = 100;

/** The most record sets that one call lists. */
const pageSize = 300;

/** How often a record is read again because someone changed it between reading and removing. */
const mostRemovals = 5;

/**
 * The zone on Route 53. A change is accepted when its promise resolves, listed at once, and answered by all of Route
 * 53's name servers within about a minute. Many changes at once are few calls. Records that a {@link DnsRecord} can't
 * express (aliases to AWS resources, MX, delegations) are neither listed nor removed.
 */
export function createDns(options: DnsOptions): Dns {
  return new Route53Dns(options);
}

class Route53Dns implements Dns {
  readonly #client: Route53Client;
  readonly #hostedZoneId: string;
  readonly #zone: string;
  readonly #pace: () => Promise<void>;
  readonly #changes: ChangeQueue;

  constructor({ client, hostedZoneId, zone, clock }: DnsOptions) {
    this.#client = client;
    this.#hostedZoneId = hostedZoneId;
    this.#zone = canonicalName(zone);
    this.#pace = createCallPace(clock);
    this.#changes = new ChangeQueue({ client, hostedZoneId, pace: this.#pace });
  }

  async upsert(record: DnsRecord): Promise<void> {
    const { name, type, ttlSeconds, values } = checkRecord(record, this.#zone);
    const ResourceRecords = values.map((value) => ({ Value: toRoute53Value(type, value) }));
    try {
      await this.#changes.submit({
        Action: "UPSERT",
        ResourceRecordSet: { Name: `${name}.`, Type: type, TTL: ttlSeconds, ResourceRecords },
      });
    } catch (error) {
      throw toDnsFault(error, name);
    }
  }

  /** Route 53 removes only who names the whole record, so it is read first. */
  async remove(name: string, type: DnsRecord["type"]): Promise<void> {
    const wanted = canonicalName(name);
    if (!isWithin(this.#zone, wanted)) return;
    for (let attempt = 1; ; attempt++) {
      const current = await this.#find(wanted, type);
      if (!current) return;
      try {
        return await this.#changes.submit({ Action: "DELETE", ResourceRecordSet: current });
      } catch (error) {
        if (attempt === mostRemovals || !isAwsError(error, "InvalidChangeBatch"))
          throw toDnsFault(error, wanted);
      }
    }
  }

  /** In Route 53's own order: by the labels from the last to the first. */
  async list(
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<readonly DnsRecord[]> {
    const { limit = defaultLimit } = options;
    const after = options.after === undefined ? undefined : canonicalName(options.after);
    const records: DnsRecord[] = [];
    const names = new Set<string>();
    for await (const set of this.#recordSets(after === undefined ? {} : { StartRecordName: after })) {
      const record = toRecord(set);
      if (!record || record.name === after) continue;
      if (names.size === limit && !names.has(record.name)) break;
      names.add(record.name);
      records.push(record);
    }
    return records;
  }

  async #find(name: string, type: DnsRecord["type"]): Promise<ResourceRecordSet | undefined> {
    const start = { StartRecordName: name, StartRecordType: type, MaxItems: 1 };
    for await (const set of this.#recordSets(start)) {
      const record = toRecord(set);
      return record?.name === name && record.type === type ? set : undefined;
    }
    return undefined;
  }

  /** The SDK has no paginator for this call. */
  async *#recordSets(start: Partial<ListResourceRecordSetsCommandInput>): AsyncGenerator<ResourceRecordSet> {
    for (let next: typeof start | undefined = start; next; ) {
      await this.#pace();
      const page: ListResourceRecordSetsCommandOutput = await this.#client.send(
        new ListResourceRecordSetsCommand({ MaxItems: pageSize, ...next, HostedZoneId: this.#hostedZoneId }),
      );
      yield* page.ResourceRecordSets ?? [];
      next = page.IsTruncated
        ? {
            StartRecordName: page.NextRecordName,
            StartRecordType: page.NextRecordType,
            StartRecordIdentifier: page.NextRecordIdentifier,
          }
        : undefined;
    }
  }
}

function toRecord(set: ResourceRecordSet): DnsRecord | undefined {
  const { Name = "", Type: type, TTL = 0, ResourceRecords, SetIdentifier } = set;
  if (type !== "A" && type !== "AAAA" && type !== "CNAME" && type !== "TXT") return undefined;
  // Without values it is an alias to an AWS resource; with an identifier, one of several that Route 53 chooses from.
  if (!ResourceRecords?.length || SetIdentifier !== undefined) return undefined;
  const values = ResourceRecords.map(({ Value = "" }) => fromRoute53Value(type, Value));
  return { name: canonicalName(fromRoute53Name(Name)), type, ttlSeconds: TTL, values };
}

/** Route 53 tells a conflict from other refusals in words only, as in "a conflicting RRSet of type CNAME". */
function toDnsFault(error: unknown, name: string): unknown {
  if (!isAwsError(error, "InvalidChangeBatch", "InvalidInput")) return error;
  const { messages } = error as Error & { readonly messages?: readonly string[] };
  const reason = [...(messages ?? []), error.message].filter((text) => text !== "").join(" ");
  if (/\bconflict/i.test(reason))
    return fault("E_CONFLICT", `The name ${name} can't be an alias and have other records too.`, {
      cause: error,
    });
  return fault("E_ARGUMENT", `Route 53 refused the record ${name}: ${reason.replace(/[.\s]*$/, "")}.`, {
    cause: error,
  });
}
