import { canonicalName, checkRecord } from "../core/dns/record.ts";
import { fault } from "../core/error.ts";
import type { Dns, DnsRecord } from "../ports/dns.ts";
import { prepareEngineTables } from "../postgres/engine-tables.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { type RecordRow, toRecord } from "./dns/records.ts";

export { createDnsServer, type DnsServer } from "./dns/server.ts";

const defaultLimit = 100;

/** Makes the zone's table in the directory's database. Call before `createDns` and `createDnsServer`. */
export function prepareDns(pool: WriterPool): Promise<void> {
  return prepareEngineTables(pool, "dns", new URL("./sql/dns/", import.meta.url));
}

/** The zone's records as a table of the directory's database, from which `createDnsServer` serves. */
export function createDns(options: { readonly pool: WriterPool; readonly zone: string }): Dns {
  return new PostgresDns(options.pool, canonicalName(options.zone));
}

class PostgresDns implements Dns {
  readonly #pool: WriterPool;
  readonly #zone: string;

  constructor(pool: WriterPool, zone: string) {
    this.#pool = pool;
    this.#zone = zone;
  }

  async upsert(record: DnsRecord): Promise<void> {
    const { name, type, ttlSeconds, values } = checkRecord(record, this.#zone);
    await this.#pool.transaction(async (client) => {
      // One writer for each name: two could else add an alias and an address beside each other.
      await client.query("SELECT pg_advisory_xact_lock(hashtextextended('dns ' || $1, 0))", [name]);
      const { rowCount } = await client.query(
        "SELECT 1 FROM engine.dns_records WHERE name = $1 AND type <> $2 AND 'CNAME' IN (type, $2)",
        [name, type],
      );
      if (rowCount)
        throw fault("E_CONFLICT", `The name ${name} can't be an alias and have other records too.`);
      await client.query(
        `INSERT INTO engine.dns_records AS record (name, type, ttl_seconds, "values") VALUES ($1, $2, $3, $4)
         ON CONFLICT (name, type) DO UPDATE SET ttl_seconds = excluded.ttl_seconds, "values" = excluded."values"
         WHERE (record.ttl_seconds, record."values") IS DISTINCT FROM (excluded.ttl_seconds, excluded."values")`,
        [name, type, ttlSeconds, values],
      );
    });
  }

  async remove(name: string, type: DnsRecord["type"]): Promise<void> {
    await this.#pool.query("DELETE FROM engine.dns_records WHERE name = $1 AND type = $2", [
      canonicalName(name),
      type,
    ]);
  }

  async list(
    options: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<readonly DnsRecord[]> {
    const { rows } = await this.#pool.query<RecordRow>(
      `SELECT name, type, ttl_seconds, "values" FROM engine.dns_records WHERE name IN
         (SELECT DISTINCT name FROM engine.dns_records WHERE name > $1 ORDER BY name LIMIT $2)
       ORDER BY name, type`,
      [canonicalName(options.after ?? ""), options.limit ?? defaultLimit],
    );
    return rows.map(toRecord);
  }
}
