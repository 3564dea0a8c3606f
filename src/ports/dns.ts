import type { DnsRecord } from "../core/dns/record.ts";

export type { DnsRecord };

/** The authoritative records of the one zone. NS and SOA are the engine's own. */
export interface Dns {
  /**
   * Makes the record, or replaces the one of the same name and type.
   * @throws E_ARGUMENT for what the zone can't hold; E_CONFLICT where an alias would stand beside another record
   */
  upsert(record: DnsRecord): Promise<void>;
  /** Removing what is not there is no error. */
  remove(name: string, type: DnsRecord["type"]): Promise<void>;
  /**
   * The records of at most `limit` names (default 100) after the name `after`, in an order of the engine's own that
   * stays the same. Names are in lower case.
   */
  list(options?: { readonly after?: string; readonly limit?: number }): Promise<readonly DnsRecord[]>;
}
