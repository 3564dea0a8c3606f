import { createHash } from "node:crypto";
import { type Migration, orderMigrations } from "../../src/core/migration/plan.ts";

/** Numbered migrations with these texts: 0001_step.sql, 0002_step.sql, … */
export function migrationsOf(...texts: readonly string[]): Migration[] {
  return orderMigrations(
    texts.map((sql, index) => ({
      file: `${String(index + 1).padStart(4, "0")}_step.sql`,
      sql,
      sha256: createHash("sha256").update(sql).digest("hex"),
    })),
  );
}
