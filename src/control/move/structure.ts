import { fault } from "../../core/error.ts";
import { describeSchema, fingerprintOf } from "../../postgres/schema-fingerprint.ts";

/** What the schema's rows take, and about what COPY makes of them. */
export const sizeQuery = `
  SELECT coalesce(sum(pg_table_size(oid)), 0) AS bytes FROM pg_class
  WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $1)`;

type Connection = Parameters<typeof describeSchema>[0];

/** The fingerprint of both. @throws E_MOVE_FAILED with the first definition that only one of them has */
export async function compareStructure(
  reader: Connection,
  sourceSchema: string,
  writer: Connection,
  targetSchema: string,
): Promise<string> {
  const [original, copy] = await Promise.all([
    describeSchema(reader, sourceSchema),
    describeSchema(writer, targetSchema),
  ]);
  const [here, there] = [new Set(original), new Set(copy)];
  const lost = original.find((line) => !there.has(line));
  const added = copy.find((line) => !here.has(line));
  if (lost !== undefined)
    throw fault("E_MOVE_FAILED", `The migrations don't make what the tenant has: ${lost.slice(0, 300)}.`);
  if (added !== undefined)
    throw fault(
      "E_MOVE_FAILED",
      `The migrations make what the tenant does not have: ${added.slice(0, 300)}.`,
    );
  return fingerprintOf(copy);
}
