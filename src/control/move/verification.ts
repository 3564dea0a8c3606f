import type pg from "pg";
import { RowhouseError } from "../../core/error.ts";
import { compareRows } from "../../postgres/logical/initial-copy.ts";
import { connectToSource, type Source } from "../../postgres/logical/source.ts";
import { connectToTarget, type Target } from "../../postgres/logical/target.ts";

/**
 * What is known of both copies' sameness at the hand-over. `whole`: every row was compared. `copied`: only at the
 * moment of the first copy, and every later change met its row; a crash came between.
 */
export type Sameness = "whole" | "copied";

interface Held {
  readonly client: pg.Client;
  readonly target: Target;
}

/**
 * Compares large tenants after they were handed over, so that nobody waits for it: the old place is shut and stays as
 * it was, and a snapshot shows the new one as it was at that moment.
 */
export class Verification {
  readonly #held = new Map<string, Held>();
  readonly #compared = new Set<string>();

  /** All rows were compared already. */
  noteCompared(id: string): void {
    this.#compared.add(id);
  }

  /** Keeps sight of the new place as it is now. */
  async hold(id: string, target: Target): Promise<void> {
    await this.release(id);
    const client = await connectToTarget(target);
    await client.query("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY");
    await client.query("SELECT 1");
    this.#held.set(id, { client, target });
  }

  /** @throws E_MOVE_FAILED when a row is not the same */
  async compare(id: string, source: Source): Promise<Sameness> {
    if (this.#compared.has(id)) return "whole";
    const held = this.#held.get(id);
    if (!held) return "copied";
    const reader = await connectToSource(source);
    try {
      await compareRows({ reader, source, writer: held.client, target: held.target });
      this.#compared.add(id);
      return "whole";
    } catch (error) {
      // Whatever cut the look off, it can't be had again: the new place is written by now.
      if (error instanceof RowhouseError && error.code === "E_MOVE_FAILED") throw error;
      return "copied";
    } finally {
      await reader.end();
      await this.release(id);
    }
  }

  async release(id: string): Promise<void> {
    const held = this.#held.get(id);
    this.#held.delete(id);
    await held?.client.end().catch(() => {});
  }

  async releaseAll(): Promise<void> {
    await Promise.all([...this.#held.keys()].map((id) => this.release(id)));
  }
}
