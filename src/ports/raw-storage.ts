/** A stream of bytes that something is kept as. */
export interface RawPlace {
  /** What kind of thing it belongs to, as in `database files`. */
  readonly store: string;
  /** Its name there, as in a path. */
  readonly name: string;
  /** May be called once. What is gone by now has no bytes. */
  bytes(): AsyncIterable<Uint8Array>;
}

/**
 * What lies below a region's other ports, byte by byte, for whoever looks whether something is there that should not be.
 * It is only read.
 */
export interface RawStorage {
  /** Everything that can be read so, each place once. */
  places(): AsyncIterable<RawPlace>;
  /** What is kept and can't be read, one clause each, with the reason. */
  readonly unreadable: readonly string[];
}
