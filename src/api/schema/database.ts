import { z } from "@hono/zod-openapi";
import { databaseServerSchema } from "./status.ts";

/** A database server. */
export const databaseSchema = databaseServerSchema
  .extend({
    region: z.string().openapi({ description: '"global" is the control plane itself.' }),
    inSync: z
      .boolean()
      .openapi({ description: "The standby has every acknowledged write, and may take over." }),
  })
  .openapi("Database");

const place = z.strictObject({ zone: z.string().nullable() });

/** What came of a database server's failover. */
export const databaseFailOverSchema = z
  .strictObject({
    server: z.string(),
    region: z.string(),
    from: place.openapi({ description: "The primary before." }),
    to: place.openapi({
      description: "The primary now. On AWS, RDS tells of a change of zones minutes later.",
    }),
    durationMs: z.number().int(),
  })
  .openapi("DatabaseFailOver");
