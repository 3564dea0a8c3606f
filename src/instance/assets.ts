import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { getMimeType } from "hono/utils/mime";
import { nearest } from "../core/config/nearest.ts";
import { fault } from "../core/error.ts";
import type { HashedFile } from "../core/release/manifest.ts";

/** Where assets are on every tenant's host; below it a hash of all assets, then the file. */
const assetsPath = "/_rowhouse/assets/";

/** The assets of one unpacked release: `folder` is its folder `assets`, `files` are those that its manifest names. */
export class ReleaseAssets {
  readonly #folder: string;
  readonly #files: ReadonlyMap<string, string>;
  /** The same as long as no asset changes, over releases too. All share it, so that one may name another relatively. */
  readonly #hash: string;

  constructor(folder: string, files: readonly HashedFile[]) {
    this.#folder = folder;
    this.#files = new Map(files.map(({ file, sha256 }) => [file, sha256]));
    this.#hash = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 12);
  }

  /** @throws E_NOT_FOUND when the release has no such file */
  url(file: string): string {
    if (!this.#files.has(file)) {
      const guess = nearest(file, [...this.#files.keys()]);
      throw fault(
        "E_NOT_FOUND",
        `The release has no asset "${file}"${guess ? `, did you mean "${guess}"?` : "."}`,
      );
    }
    return `${assetsPath}${this.#hash}/${file.split("/").map(encodeURIComponent).join("/")}`;
  }

  /**
   * Answers a GET or HEAD under {@link assetsPath}; `path` is without its query. A page of another release may ask
   * for its own hash while a rollout is under way: it gets this release's file, which nobody may then keep.
   */
  async answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [hash = "", file = ""] = splitOnce(path.slice(assetsPath.length));
    const sha256 = this.#files.get(file);
    if (sha256 === undefined) return end(response, 404);
    if (request.method !== "GET" && request.method !== "HEAD")
      return end(response, 405, { allow: "GET, HEAD" });
    const etag = `"${sha256.slice(0, 32)}"`;
    const caching = hash === this.#hash ? "public, max-age=31536000, immutable" : "no-cache";
    const headers = { etag, "cache-control": caching, "x-content-type-options": "nosniff" };
    if (request.headers["if-none-match"]?.includes(etag)) return end(response, 304, headers);
    const source = join(this.#folder, file);
    const { size } = await stat(source);
    const contentType = getMimeType(file) ?? "application/octet-stream";
    response.writeHead(200, { ...headers, "content-type": contentType, "content-length": size });
    if (request.method === "HEAD") response.end();
    // A client that goes away in the middle is no fault.
    else await pipeline(createReadStream(source), response).catch(() => response.destroy());
  }
}

function end(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
  response.writeHead(status, headers).end();
}

/** The hash before the first slash, and the decoded file after it. */
function splitOnce(rest: string): [hash: string, file: string] {
  const slash = rest.indexOf("/");
  try {
    return [rest.slice(0, slash), decodeURIComponent(rest.slice(slash + 1))];
  } catch {
    return ["", ""];
  }
}

/** One for the process, even where an application brought a second copy of this package. */
const key = Symbol.for("rowhouse.assets");
const holder = globalThis as { [key]?: ReleaseAssets };

/** Makes these the assets that {@link assetUrl} speaks of. */
export function registerAssets(assets: ReleaseAssets): void {
  holder[key] = assets;
}

/**
 * The address of one of the application's assets, which changes when they do, so that it may be cached for ever.
 * Outside of an instance, as in an application's own tests, an address that leads nowhere.
 * @throws E_NOT_FOUND when the release has no such file
 */
export function assetUrl(file: string): string {
  return holder[key]?.url(file) ?? `${assetsPath}none/${file}`;
}
