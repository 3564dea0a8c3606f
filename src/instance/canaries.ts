import { z } from "zod";
import { fault } from "../core/error.ts";
import { canaryTable, type PlantedByTenant, plantedByTenant } from "../core/residency/kinds.ts";
import type { Tenant } from "./tenant.ts";

const canariesSchema = z.partialRecord(z.enum(plantedByTenant), z.string());

type Canaries = Readonly<Partial<Record<PlantedByTenant, string>>>;

/** @throws E_ARGUMENT for what is no canary of a known kind */
export function readCanaries(value: unknown): Canaries {
  const parsed = canariesSchema.safeParse(value);
  if (!parsed.success) throw fault("E_ARGUMENT", "The body has no `canaries`, or some of an unknown kind.");
  return parsed.data as Canaries;
}

/**
 * Writes each canary where an application would write such data, by the application's own means: so what is looked for
 * afterwards went the way that a tenant's data goes.
 */
export async function plantCanaries(tenant: Tenant, canaries: Canaries): Promise<void> {
  const { row, cache, file, fileName, message, mail, log } = canaries;
  if (row) await tenant.db.query(`INSERT INTO ${canaryTable} (canary) VALUES ($1)`, [row]);
  if (cache) await tenant.cache.set("residency", cache, { ttlSeconds: 3600 });
  if (fileName || file) await tenant.files.put(`residency/${fileName ?? "file"}.txt`, file ?? "");
  if (message) await tenant.queue.send({ canary: message });
  if (mail)
    await tenant.mail.send({
      to: `${mail}@residency.invalid`,
      subject: "Residency check",
      text: `A check of where data is kept: ${mail}`,
    });
  if (log) tenant.log.info("residency check", { canary: log });
}
