import type pg from "pg";
import { fault } from "../../core/error.ts";
import { compareRows } from "../../postgres/logical/initial-copy.ts";
import { listRowTables, type RowTable } from "../../postgres/logical/publication.ts";
import type { Pump } from "../../postgres/logical/pump.ts";
import { restoreRelaxed } from "../../postgres/logical/relaxations.ts";
import { connectToSource, type Source } from "../../postgres/logical/source.ts";
import { connectToTarget, type Target } from "../../postgres/logical/target.ts";
import { schemaFingerprint } from "../../postgres/schema-fingerprint.ts";
import { readSequences, setSequences } from "../../postgres/sequences.ts";
import type { RegionContext } from "../region-context.ts";
import type { Arrival } from "./arrival.ts";
import type { MoveInput } from "./input.ts";
import { leavingLocation, sourceOf, targetOf } from "./places.ts";
import type { Pumps } from "./pumps.ts";
import { sizeQuery } from "./structure.ts";
import type { Verification } from "./verification.ts";

/** What a move works with in its process. */
export interface MoveMachinery {
  readonly context: RegionContext;
  readonly pumps: Pumps;
  readonly verification: Verification;
}

/** What is compared whole while the tenant waits: it takes some hundredths of a second. */
const smallBytes = 8 * 1024 * 1024;

interface Parts {
  readonly id: string;
  readonly verification: Verification;
  readonly pump: Pump;
  readonly source: Source;
  readonly target: Target;
  readonly reader: pg.Client;
  readonly writer: pg.Client;
  /** Look at the tables' definitions, while the others look at their rows. */
  readonly checkers: { readonly source: pg.Client; readonly target: pg.Client };
  readonly isSmall: boolean;
}

/** The end of the copying, made ready while the tenant is still served: little is left for when it waits. */
export class LastChanges implements AsyncDisposable {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  static async prepare(
    { context, pumps, verification }: MoveMachinery,
    input: MoveInput,
    arrival: Arrival,
  ): Promise<LastChanges> {
    const source = await sourceOf(context, await leavingLocation(context, input));
    const target = targetOf(arrival);
    const pump = await pumps.get(input.id, async () => ({ source, target }));
    const { rows } = await source.pool.query<{ bytes: string }>(sizeQuery, [source.schema]);
    const isSmall = Number(rows[0]?.bytes) <= smallBytes;
    const opened = await Promise.allSettled([
      connectToSource(source),
      connectToTarget(target),
      connectToSource(source),
      connectToTarget(target),
    ]);
    const clients = opened.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    const [reader, writer, ofSource, ofTarget] = clients;
    if (reader && writer && ofSource && ofTarget)
      return new LastChanges({
        id: input.id,
        verification,
        pump,
        source,
        target,
        reader,
        writer,
        checkers: { source: ofSource, target: ofTarget },
        isSmall,
      });
    await Promise.all(clients.map((client) => client.end()));
    throw opened.find((each) => each.status === "rejected")?.reason;
  }

  /**
   * Nobody writes any more: the last changes, the sequences, and a look at both sides. `structure` is the fingerprint that
   * the new place had when it was made. @throws E_MOVE_FAILED when the copy is not the same
   */
  async bring(structure: string | undefined): Promise<void> {
    const { pump, source, target, reader, writer } = this.#parts;
    await pump.catchUp();
    await writer.query("BEGIN");
    await setSequences(writer, target.schema, await readSequences(reader, source.schema));
    await restoreRelaxed({
      source: reader,
      sourceSchema: source.schema,
      target: writer,
      schema: target.schema,
    });
    await writer.query("COMMIT");
    await Promise.all([this.#checkStructure(structure), this.#checkRows()]);
  }

  async #checkStructure(structure: string | undefined): Promise<void> {
    const { checkers, source, target } = this.#parts;
    const [original, fingerprint] = await Promise.all([
      listRowTables(checkers.source, source.schema),
      schemaFingerprint(checkers.target, target.schema),
    ]);
    if (fingerprint !== structure)
      throw fault("E_MOVE_FAILED", "The tables of the new place are not what they were when it was made.");
    // One that was made meanwhile is in no publication. The whole definition would not do: the publication changed it.
    if (shapeOf(original) !== shapeOf(await listRowTables(checkers.target, target.schema)))
      throw fault("E_MOVE_FAILED", "The tenant's tables were changed while its rows were copied.");
  }

  async #checkRows(): Promise<void> {
    const { id, verification, source, target, reader, writer, isSmall } = this.#parts;
    if (!isSmall) return verification.hold(id, target);
    await compareRows({ reader, source, writer, target });
    verification.noteCompared(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { reader, writer, checkers } = this.#parts;
    const clients = [reader, writer, checkers.source, checkers.target];
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
  }
}

/** What rows there can be. */
function shapeOf(tables: readonly RowTable[]): string {
  return JSON.stringify(tables.map(({ name, columns }) => [name, columns.toSorted()]));
}
