import { z } from "zod";
import { fault } from "../error.ts";

const hashedFile = z.object({ file: z.string().min(1), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

const releaseManifest = z.object({
  name: z.string().min(1),
  version: z.string().regex(/^[0-9a-f]{12}$/),
  entry: z.literal("app.js"),
  migrations: z.array(hashedFile),
  assets: z.array(hashedFile),
});

/** One file of a release and the hex SHA-256 of its bytes. */
export interface HashedFile {
  readonly file: string;
  readonly sha256: string;
}

/** What a release says of itself; `manifest.json` inside its zip. */
export interface ReleaseManifest {
  readonly name: string;
  /** First 12 hex digits of the SHA-256 over all files: the same sources give the same version. */
  readonly version: string;
  /** The application's module inside the zip. */
  readonly entry: "app.js";
  /** Names in the zip's folder `migrations`, in the order in which they run. */
  readonly migrations: readonly HashedFile[];
  /** Paths in the zip's folder `assets`, with `/` between their parts. */
  readonly assets: readonly HashedFile[];
}

/**
 * Reads a `manifest.json`.
 * @throws E_RELEASE_CORRUPT when it is not what a build writes
 */
export function parseManifest(json: string): ReleaseManifest {
  try {
    return releaseManifest.parse(JSON.parse(json));
  } catch (cause) {
    throw fault("E_RELEASE_CORRUPT", "The release's manifest.json is not valid.", { cause });
  }
}
