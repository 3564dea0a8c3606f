import type pg from "pg";
import type { DnsRecord } from "../../core/dns/record.ts";

/** A row of `engine.dns_records`. */
export interface RecordRow {
  readonly name: string;
  readonly type: DnsRecord["type"];
  readonly ttl_seconds: number;
  readonly values: readonly string[];
}

export function toRecord(row: RecordRow): DnsRecord {
  return { name: row.name, type: row.type, ttlSeconds: row.ttl_seconds, values: row.values };
}

/** All records of the zone at once, for the name server. */
export async function readRecords(client: pg.ClientBase): Promise<DnsRecord[]> {
  const { rows } = await client.query<RecordRow>(
    'SELECT name, type, ttl_seconds, "values" FROM engine.dns_records',
  );
  return rows.map(toRecord);
}
