import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, sep } from "node:path";
import type { HashedFile } from "../../core/release/manifest.ts";

/** All files under an assets folder, sorted, with `/` between their parts; what starts with a dot is left out. */
export async function readAssets(folder: string): Promise<(HashedFile & { readonly bytes: Uint8Array })[]> {
  const files = await listFolder(folder);
  return Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(join(folder, file));
      return { file, sha256: createHash("sha256").update(bytes).digest("hex"), bytes };
    }),
  );
}

async function listFolder(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  const visible = names.filter((name) => !name.split(sep).some((part) => part.startsWith(".")));
  const files = await Promise.all(
    visible.map(async (name) => ((await stat(join(folder, name))).isFile() ? [name] : [])),
  );
  return files
    .flat()
    .map((name) => name.split(sep).join("/"))
    .toSorted();
}
