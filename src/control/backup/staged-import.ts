import type { Readable } from "node:stream";
import { importKey, importPrefix } from "../../core/backup/key.ts";
import { encryptArchive } from "../archive/archive.ts";
import type { RegionContext } from "../region-context.ts";
import type { ArchiveSource } from "./sealed-archive.ts";

/** Keeps an archive that comes in, encrypted, until its import has ended. Nothing stays when it breaks off. */
export async function stageImport(
  { platform }: Pick<RegionContext, "platform">,
  upload: { readonly id: string; readonly slug: string; readonly body: Readable },
): Promise<ArchiveSource> {
  const { objects, keys } = platform;
  const { id, slug, body } = upload;
  const key = importKey(id);
  const sealed = await encryptArchive(body, { keys, slug });
  try {
    await objects.put({ key, body: sealed });
  } finally {
    sealed.destroy();
  }
  return { key, sealedFor: slug };
}

/** Deletes it; deleting what is not there is no error. */
export async function forgetImport({ platform }: Pick<RegionContext, "platform">, id: string): Promise<void> {
  await platform.objects.purge(importPrefix(id));
}
