import { inject } from "vitest";
import type { Databases } from "../../src/ports/databases.ts";
import { databasesOn } from "./databases-on.ts";

/** The test run's one Postgres under every server name. */
export function oneServer(): Databases {
  return databasesOn(inject("postgres"));
}
