/** How many prepared statements one connection keeps; pgjdbc's `preparedStatementCacheQueries` has the same default. */
const perConnection = 256;

/** Texts longer than this are generated, seldom repeated, and dear to keep. */
const longestTextCharacters = 20_000;

/** How many SQL texts an instance remembers to have seen. */
const rememberedTexts = 2_000;

/** Least recently used first. */
class BoundedMap<Value> {
  readonly #entries = new Map<string, Value>();
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The value, which becomes the most recently used. */
  get(key: string): Value | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** Returns the value that had to go. */
  set(key: string, value: Value): Value | undefined {
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#limit) return undefined;
    const [oldestKey, oldest] = this.#entries.entries().next().value as [string, Value];
    this.#entries.delete(oldestKey);
    return oldest;
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** The SQL texts that ran on this instance before: all tenants run one application, so a text of one is a text of all. */
export class RepeatedStatements {
  readonly #seen = new BoundedMap<true>(rememberedTexts);

  /** False at the first use, when most generated texts have their last one. */
  isRepeat(text: string): boolean {
    if (text.length > longestTextCharacters) return false;
    if (this.#seen.get(text)) return true;
    this.#seen.set(text, true);
    return false;
  }
}

/** A named prepared statement on one connection. */
export interface PreparedStatement {
  readonly name: string;
  /** Names to close in the same message, to stay within the bound. */
  readonly close: string | undefined;
}

/**
 * Named prepared statements of one connection, made without being asked for, from a text's second use on. It
 * saves Postgres the parsing and, after five runs, the planning.
 * Source: pgjdbc's `prepareThreshold`, https://jdbc.postgresql.org/documentation/server-prepare/
 */
export class PreparedStatements {
  readonly #names: BoundedMap<string>;
  #counter = 0;

  constructor(limit = perConnection) {
    this.#names = new BoundedMap(limit);
  }

  /** `scope` keeps equal texts apart that mean other tables: a plan belongs to one search path. */
  use(scope: string, text: string): PreparedStatement {
    const key = scope === "" ? text : `${scope}\0${text}`;
    const known = this.#names.get(key);
    if (known !== undefined) return { name: known, close: undefined };
    const name = `rowhouse_${++this.#counter}`;
    return { name, close: this.#names.set(key, name) };
  }

  forget(scope: string, text: string): void {
    this.#names.delete(scope === "" ? text : `${scope}\0${text}`);
  }

  /** After something dropped all of a session's statements. */
  clear(): void {
    this.#names.clear();
  }
}
