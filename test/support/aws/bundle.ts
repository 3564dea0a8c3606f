import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

/** An archive of a bundle, and its SHA-256 in hexadecimal. */
export interface BundleArchive {
  readonly body: Buffer;
  readonly sha256: string;
}

/**
 * What stands for Node's own archive: its `bin/node` runs the Node of the tests. The whole one takes half a minute to
 * compress and nobody looks at more of it.
 */
export function nodeArchive(): Promise<BundleArchive> {
  return archive("node", "J", {
    "bin/node": { text: `#!/bin/sh\nexec "${process.execPath}" "$@"\n`, mode: 0o755 },
  });
}

/** A package with these files, packed as npm does it. */
export function packageArchive(files: Readonly<Record<string, string>>): Promise<BundleArchive> {
  const entries = Object.entries(files).map(([path, text]) => [path, { text, mode: 0o644 }] as const);
  return archive("package", "z", Object.fromEntries(entries));
}

async function archive(
  outermost: string,
  compression: "J" | "z",
  files: Readonly<Record<string, { readonly text: string; readonly mode: number }>>,
): Promise<BundleArchive> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-bundle-"));
  try {
    for (const [path, { text, mode }] of Object.entries(files)) {
      const file = join(folder, outermost, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text, { mode });
    }
    const packed = join(folder, "archive");
    await promisify(execFile)("tar", [`-c${compression}f`, packed, "-C", folder, outermost]);
    const body = await readFile(packed);
    return { body, sha256: createHash("sha256").update(body).digest("hex") };
  } finally {
    await rm(folder, { recursive: true });
  }
}
