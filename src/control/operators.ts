import { createHash, timingSafeEqual } from "node:crypto";
import type { Clock } from "../ports/clock.ts";
import type { Queryable } from "../postgres/pool.ts";

/** Someone who may use the control plane. */
export interface Operator {
  readonly name: string;
}

interface OperatorRow {
  readonly name: string;
  readonly token_sha256: Buffer;
}

const rereadAfterMilliseconds = 5000;

/** Who may use the control plane, by token. Only hashes of tokens are kept. */
export class Operators {
  readonly #directory: Queryable;
  readonly #clock: Clock;
  #known: { readonly rows: readonly OperatorRow[]; readonly readAt: number } | undefined;

  constructor(options: { readonly directory: Queryable; readonly clock: Clock }) {
    this.#directory = options.directory;
    this.#clock = options.clock;
  }

  /** Gives `name` this token; the one that it had before is void. */
  async put(name: string, token: string): Promise<void> {
    await this.#directory.query(
      `INSERT INTO operators (name, token_sha256) VALUES ($1, $2)
       ON CONFLICT (name) DO UPDATE SET token_sha256 = excluded.token_sha256`,
      [name, sha256(token)],
    );
    this.#known = undefined;
  }

  /** The operator with this token. */
  async verify(token: string): Promise<Operator | undefined> {
    const hash = sha256(token);
    const match = (rows: readonly OperatorRow[]) =>
      rows.find((row) => timingSafeEqual(row.token_sha256, hash));
    const found = match(await this.#rows());
    return found && { name: found.name };
  }

  /**
   * Read again every few seconds. While the directory does not answer, those last read still count: an outage is
   * when operators need `status` most.
   */
  async #rows(): Promise<readonly OperatorRow[]> {
    const known = this.#known;
    const now = this.#clock.elapsedMilliseconds();
    if (known && now - known.readAt < rereadAfterMilliseconds) return known.rows;
    try {
      const { rows } = await this.#directory.query<OperatorRow & Record<string, unknown>>(
        "SELECT name, token_sha256 FROM operators ORDER BY name",
      );
      this.#known = { rows, readAt: now };
      return rows;
    } catch (error) {
      if (!known) throw error;
      return known.rows;
    }
  }
}

function sha256(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
