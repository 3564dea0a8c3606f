import { afterEach, expect, test } from "vitest";
import { createMovedSchema, type MovedSchema } from "../../../test/support/moved-schema.ts";
import { closePublication, openPublication } from "./publication.ts";

let moved: MovedSchema;
afterEach(() => moved.dispose());

async function names(): Promise<string[]> {
  const { rows } = await moved.original.query<{ name: string }>("SELECT pubname AS name FROM pg_publication");
  return rows.map(({ name }) => name);
}

test("a table that stays locked is told as busy, leaves nothing half-done, and is published when it is free", async () => {
  moved = await createMovedSchema("CREATE TABLE notes (text text)");
  const { source, original } = moved;
  await original.query("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE");
  await expect(openPublication(source)).rejects.toMatchObject({ code: "E_DATABASE_BUSY" });
  await original.query("ROLLBACK");
  expect(await names()).toEqual([]);
  await openPublication(source);
  expect(await names()).toEqual([source.name]);
  await original.query("BEGIN; LOCK TABLE notes IN ACCESS EXCLUSIVE MODE");
  const closing = closePublication(source.pool, source.schema, source.name);
  await expect(closing).rejects.toMatchObject({ code: "E_DATABASE_BUSY" });
  await original.query("ROLLBACK");
  await closePublication(source.pool, source.schema, source.name);
  expect(await names()).toEqual([]);
});
