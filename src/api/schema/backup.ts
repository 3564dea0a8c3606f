import { z } from "@hono/zod-openapi";
import { strictBody, text } from "../argument.ts";
import { errorSchema } from "./problem.ts";

const time = z.iso.datetime();

/** A backup. */
export const backupSchema = z
  .strictObject({
    id: z.string(),
    slug: z.string(),
    region: z.string().openapi({ description: "Where it was taken." }),
    reason: z.string().openapi({ example: "scheduled" }),
    takenAt: time.openapi({ description: "The moment that its rows are of." }),
    schemaVersion: z.number().int(),
    rows: z.number().int(),
    files: z.number().int(),
    bytes: z.number().int().openapi({ description: "Of what is stored, compressed and encrypted." }),
    copiedAt: time
      .nullable()
      .openapi({ description: "When the recovery region had its copy; null without one." }),
    verifiedAt: time
      .nullable()
      .openapi({ description: "When a trial restore last gave back every row and file." }),
    failure: z
      .object({ code: z.string(), message: z.string() })
      .nullable()
      .openapi({ description: "Why the newest trial restore did not." }),
  })
  .openapi("Backup");

/** A backup that was waited for. */
export const takenBackupSchema = backupSchema.extend({ durationMs: z.number().int() }).openapi("TakenBackup");

export const backupBody = strictBody({
  verify: z.boolean("must be true or false").default(false),
}).openapi("BackupCommand");

export const restoreBody = strictBody({
  backup: text().optional(),
  at: text()
    .optional()
    .openapi({ description: "The newest backup that is not after it.", example: "2026-05-04T10:30:00Z" }),
  as: text().optional().openapi({ description: "The slug of a new tenant; the old one stays as it is." }),
})
  .refine(({ backup, at }) => backup === undefined || at === undefined, {
    path: ["at"],
    message: "goes with no `backup`: name one of them",
  })
  .openapi("RestoreCommand");

const result = z
  .strictObject({
    slug: z.string(),
    backup: z.string().nullable().openapi({ description: "Null for an import." }),
    takenAt: time.openapi({ description: "The moment that its rows are of." }),
    at: time.nullable().openapi({ description: "The moment that was asked for." }),
    secondsBefore: z
      .number()
      .nullable()
      .openapi({ description: "From the one to the other: what was written in between is not there." }),
    rows: z.number().int(),
    files: z.number().int(),
    before: z
      .string()
      .nullable()
      .openapi({ description: "The backup that the state before became; null for a new tenant." }),
    writePauseMs: z
      .number()
      .int()
      .nullable()
      .openapi({ description: "How long requests waited; null for a new tenant." }),
    durationMs: z.number().int().openapi({ description: "Until it was served." }),
  })
  .openapi("RestorationResult");

/** What a restore or import did. */
export const restorationResultSchema = result;

/** A restore or import. */
export const restorationSchema = z
  .strictObject({
    id: z.string(),
    slug: z.string(),
    state: z.enum(["running", "undoing", "completed", "failed"]),
    events: z.number().int().openapi({ description: "How many there are so far; pass it as `seen`." }),
    title: z.string().nullable().openapi({ description: "What is being done now." }),
    error: errorSchema.optional(),
    result: result.optional(),
  })
  .openapi("Restoration");

export const restorationParameter = z.object({
  id: z.string().openapi({ param: { name: "id", in: "path" } }),
});

export const importQuery = z.object({
  replace: z
    .enum(["0", "1"], "must be 0 or 1")
    .default("0")
    .openapi({ description: "1: the tenant is there, and its data is replaced." }),
  region: z.string().optional().openapi({ description: "Of a new tenant: where it is to live." }),
  plan: z.string().optional().openapi({ description: "Of a new tenant; the archive's unless told." }),
  name: z.string().optional(),
  email: z.email("must be an e-mail address").optional(),
});
