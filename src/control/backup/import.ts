import type { Readable } from "node:stream";
import type { RegionContext } from "../region-context.ts";
import { withArchive } from "./sealed-archive.ts";
import { forgetImport, stageImport } from "./staged-import.ts";
import { foundFrom, operationId, restoreInto } from "./start.ts";

/** Where an archive's data goes. */
export interface ImportCommand {
  readonly slug: string;
  /** The tenant is there, and its data is to be replaced; else a new tenant is made. */
  readonly replace: boolean;
  /** Of a new tenant; the archive's own, unless told. */
  readonly name?: string;
  readonly plan?: string;
  readonly email?: string;
}

/** Reads the archive through to its end before anything is touched, then begins. */
export async function importArchive(
  context: RegionContext,
  command: ImportCommand,
  body: Readable,
): Promise<{ readonly id: string }> {
  const { replace, slug, ...profile } = command;
  const id = operationId(context, "import");
  try {
    const source = await stageImport(context, { id, slug, body });
    await withArchive(context.platform, source, (archive) => archive.verify());
    const wish = { id, slug, kind: "import", source } as const;
    if (replace) await restoreInto(context, wish);
    else await foundFrom(context, { ...wish, ...profile });
    return { id };
  } catch (error) {
    // Of a workflow that has begun, the first step failed: it needs the archive no more.
    await forgetImport(context, id).catch(() => {});
    throw error;
  }
}
