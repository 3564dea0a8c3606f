import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { contentDisposition } from "../core/object/disposition.ts";
import type { Clock } from "../ports/clock.ts";
import type { ObjectInfo, Objects } from "../ports/objects.ts";
import { objectsPath, type SigningKey, verifyObjectPath } from "./object-url.ts";

/**
 * Answers signed links from `Objects.url` on a tenant's host. Resolves to false, without touching the response, for
 * any other path; `path` is the request's path and query.
 */
export function createObjectsHandler(options: {
  readonly objects: Pick<Objects, "get" | "head">;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
}): (request: IncomingMessage, response: ServerResponse, path: string) => Promise<boolean> {
  return async (request, response, path) => {
    if (!path.startsWith(objectsPath)) return false;
    if (request.method !== "GET" && request.method !== "HEAD") {
      answer(response, 405, "Only GET and HEAD are allowed here.", { allow: "GET, HEAD" });
      return true;
    }
    const nowSeconds = Math.floor(options.clock.now().getTime() / 1000);
    const link = verifyObjectPath(path, nowSeconds, options.signingKey);
    if (!link) {
      answer(response, 403, "This link has expired, or is not as it was given out.");
      return true;
    }
    await serve(options.objects, link.key, {
      request,
      response,
      maxAgeSeconds: link.expiresAtSeconds - nowSeconds,
    });
    return true;
  };
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly maxAgeSeconds: number;
}

async function serve(objects: Pick<Objects, "get" | "head">, key: string, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const info = await objects.head(key);
  if (!info) return answer(response, 404, "There is no such file.");
  const headers = describe(info, exchange.maxAgeSeconds);
  if (isUnchanged(request, info)) {
    response.writeHead(304, headers).end();
    return;
  }
  const range = request.method === "GET" ? readRange(request, info) : undefined;
  if (range === "unsatisfiable") {
    return answer(response, 416, "The file is shorter than that.", {
      "content-range": `bytes */${info.size}`,
    });
  }
  if (request.method === "HEAD") {
    response.writeHead(200, { ...headers, "content-length": info.size }).end();
    return;
  }
  // The version that the headers were decided for, whatever is written meanwhile.
  const found = await objects.get(key, { versionId: info.versionId, ...(range ? { range } : {}) });
  if (!found) return answer(response, 404, "There is no such file.");
  response.writeHead(range ? 206 : 200, { ...headers, ...lengthHeaders(info.size, range) });
  // The reader may leave at any time, and nobody is left then to be told of an error.
  await pipeline(found.body, response).catch(() => response.destroy());
}

function describe(info: ObjectInfo, maxAgeSeconds: number): Record<string, string> {
  return {
    "content-type": info.contentType,
    "content-disposition": contentDisposition(info.key, info.contentType),
    etag: info.etag,
    "last-modified": info.lastModified.toUTCString(),
    "accept-ranges": "bytes",
    // Whoever has the link may keep the answer as long as the link; a shared cache may not.
    "cache-control": `private, max-age=${maxAgeSeconds}`,
    // Files come from users and are served from the tenant's own origin: nothing in them may run there.
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
  };
}

/** RFC 9110, 13.1.2 and 13.1.3: the ETag decides where one is given, and the date where not. */
function isUnchanged(request: IncomingMessage, info: ObjectInfo): boolean {
  const tags = request.headers["if-none-match"];
  if (tags !== undefined) {
    return tags.split(",").some((tag) => tag.trim() === "*" || tag.trim().replace(/^W\//, "") === info.etag);
  }
  const since = Date.parse(request.headers["if-modified-since"] ?? "");
  return Math.floor(info.lastModified.getTime() / 1000) * 1000 <= since;
}

type Range = { readonly start: number; readonly end: number };

/** One range in bytes (RFC 9110, 14.2). Several at once, or another unit, may be ignored: then all is sent. */
function readRange(
  request: IncomingMessage,
  { size, etag }: ObjectInfo,
): Range | "unsatisfiable" | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(request.headers.range ?? "");
  const ifRange = request.headers["if-range"];
  if (!match || match[0] === "bytes=-" || (ifRange !== undefined && ifRange !== etag)) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}

function lengthHeaders(size: number, range: Range | undefined): Record<string, string | number> {
  if (!range) return { "content-length": size };
  return {
    "content-length": range.end - range.start + 1,
    "content-range": `bytes ${range.start}-${range.end}/${size}`,
  };
}

function answer(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {},
): void {
  const body = `${text}\n`;
  response
    .writeHead(status, {
      "content-type": "text/plain; charset=utf-8",
      "content-length": Buffer.byteLength(body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    })
    .end(body);
}
