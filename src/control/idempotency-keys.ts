import { createHash } from "node:crypto";
import { fault } from "../core/error.ts";
import type { Queryable } from "../postgres/pool.ts";

/** Keeps a sign-up's Idempotency-Key to the region that it was first sent to. Only hashes are kept. */
export class IdempotencyKeys {
  readonly #directory: Queryable;

  constructor(directory: Queryable) {
    this.#directory = directory;
  }

  /** @throws E_IDEMPOTENCY_KEY_REUSED when another region has seen the key */
  async claim(key: string, region: string): Promise<void> {
    const { rows } = await this.#directory.query<{ region: string }>(
      `INSERT INTO idempotency_keys (key_sha256, region) VALUES ($1, $2)
       ON CONFLICT (key_sha256) DO UPDATE SET region = idempotency_keys.region
       RETURNING region`,
      [createHash("sha256").update(key).digest(), region],
    );
    if (rows[0]?.region !== region) throw fault("E_IDEMPOTENCY_KEY_REUSED");
  }
}
