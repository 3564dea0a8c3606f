export interface DnsRecord {
  /** Full name without a trailing dot; `*.` in front makes a wildcard (RFC 4592). */
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME" | "TXT";
  readonly ttlSeconds: number;
  readonly values: readonly string[];
}

/** The authoritative records of the one zone. NS and SOA are the engine's own. */
export interface Dns {
  /** Makes the record, or replaces the one of the same name and type. */
  upsert(record: DnsRecord): Promise<void>;
  /** Removing what is not there is no error. */
  remove(name: string, type: DnsRecord["type"]): Promise<void>;
  /** By name, at most `limit` (default 100) after the name `after`. */
  list(options?: { readonly after?: string; readonly limit?: number }): Promise<readonly DnsRecord[]>;
}
