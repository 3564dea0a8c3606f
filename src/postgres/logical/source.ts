import type pg from "pg";
import { type ConnectOptions, connect } from "../connect.ts";
import { quoteIdentifier } from "../identifier.ts";
import type { WriterPool } from "../pool.ts";

/** The schema that changes are read from. */
export interface Source {
  /** An administrator's pool on its database. */
  readonly pool: WriterPool;
  /** How that administrator connects. */
  readonly connection: Omit<ConnectOptions, "replication" | "settings">;
  readonly schema: string;
  /** Of the publication and of the replication slot: lower-case letters, digits and underscores, at most 63. */
  readonly name: string;
}

/** Settings under which a value's text is exact, and the same on every server. */
export const exactText = {
  DateStyle: "ISO, YMD",
  IntervalStyle: "postgres",
  TimeZone: "UTC",
  extra_float_digits: "1",
  bytea_output: "hex",
  xmlbinary: "base64",
  xmloption: "content",
  lc_monetary: "C",
} as const;

/** A connection to the source's database under {@link exactText}; names in its schema are said without it. */
export function connectToSource(
  source: Source,
  { settings = {}, ...options }: Pick<ConnectOptions, "replication" | "settings"> = {},
): Promise<pg.Client> {
  return connect({
    ...source.connection,
    ...options,
    settings: { ...exactText, search_path: quoteIdentifier(source.schema), ...settings },
  });
}
