import type { Readable } from "node:stream";
import type { RegionContext } from "../region-context.ts";
import type { RestorationStatus } from "./restoration.ts";
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
): Promise<RestorationStatus> {
  const { replace, slug, ...profile } = command;
  const id = operationId(context, "import");
  try {
    const source = await stageImport(context, { id, slug, body });
    const takenAt = await withArchive(context.platform, source, async (archive) => {
      await archive.verify();
      return archive.manifest.snapshot.time;
    });
    const origin = { backup: null, takenAt, at: null };
    const wish = { id, slug, kind: "import", source, origin } as const;
    return await (replace ? restoreInto(context, wish) : foundFrom(context, { ...wish, ...profile }));
  } catch (error) {
    // Of a workflow that has begun, the first step failed: it needs the archive no more.
    await forgetImport(context, id).catch(() => {});
    throw error;
  }
}
