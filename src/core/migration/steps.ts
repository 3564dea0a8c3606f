/**
 * Everything that a run of migrations over a fleet does, in order: the run's own steps, then those of each region for a
 * wave, then those of one tenant. A process may be killed before and after each; the fault tests do so.
 */
export const migrationSteps = [
  "find-behind",
  "migrate-canaries",
  "migrate-waves",

  "find-locations",
  "migrate-tenants",
  "record-in-region",
  "record-in-directory",
  "copy-to-region",

  "read-ledger",
  "run-with-record",
  "drop-invalid-indexes",
  "run-statement",
  "record-statement",
] as const;

export type MigrationStep = (typeof migrationSteps)[number];
