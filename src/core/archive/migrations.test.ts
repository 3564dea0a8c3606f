import { expect, it } from "vitest";
import type { Migration } from "../migration/plan.ts";
import { archivedMigrations } from "./migrations.ts";

const release = ["aa", "bb", "cc"].map(
  (sha256, index): Migration => ({
    file: `000${index + 1}_step.sql`,
    number: index + 1,
    sql: "",
    sha256,
    isTransactional: true,
  }),
);

const archive = (...hashes: string[]) => ({
  schema: {
    version: hashes.length,
    migrations: hashes.map((sha256, index) => ({ number: index + 1, file: "", sha256 })),
    fingerprint: "",
    description: { entry: "", bytes: 0, sha256: "" },
  },
});

it("names the migrations that made the archive's schema", () => {
  expect(archivedMigrations(archive("aa", "bb"), release).map(({ number }) => number)).toEqual([1, 2]);
  expect(archivedMigrations(archive(), release)).toEqual([]);
  expect(archivedMigrations(archive("aa", "bb", "cc"), release)).toHaveLength(3);
});

it("refuses an archive of a later release, and of another application", () => {
  expect(() => archivedMigrations(archive("aa", "bb", "cc", "dd"), release)).toThrow(/version 4, and .* 3/);
  expect(() => archivedMigrations(archive("aa", "xx"), release)).toThrow(/another "0002_step.sql"/);
});
