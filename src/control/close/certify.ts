import type { Certificate, Remainder } from "../../core/closing/certificate.ts";
import { fault } from "../../core/error.ts";
import type { RegionContext } from "../region-context.ts";
import type { Closings } from "./closings.ts";
import { signCertificate } from "./signature.ts";

/** Nothing goes through the logs to look for one tenant's lines: they go with the files. */
const logLines: Remainder = { what: "log lines that name the tenant, on the region's servers", until: null };

/** Writes the certificate of a tenant of which nothing is left any more; a repeat returns the one that is there. */
export async function certify(
  context: RegionContext,
  closings: Closings,
  slug: string,
): Promise<Certificate> {
  const { directory, region, name, platform, pool } = context;
  const [entry, closing] = await Promise.all([directory.find(slug), closings.find(slug)]);
  if (!entry || !closing?.inventory || !closing.export)
    throw fault("E_INTERNAL", `The closing of the tenant "${slug}" is not written down.`);
  if (closing.certificate) return closing.certificate;
  const certificate = await signCertificate(
    { pool, keys: platform.keys },
    {
      version: 1,
      slug,
      region: name,
      jurisdiction: region.jurisdiction,
      plan: entry.plan,
      isolation: entry.isolation,
      createdAt: entry.createdAt.toISOString(),
      askedBy: closing.askedBy,
      askedAt: closing.askedAt.toISOString(),
      completedAt: platform.clock.now().toISOString(),
      removed: closing.inventory,
      elsewhere: closing.elsewhere ?? [],
      export: closing.export,
      remainders: [...(closing.remainders ?? []), logLines],
    },
  );
  return closings.keep(slug, "certificate", certificate);
}
