import { Readable } from "node:stream";
import { Hono } from "hono";
import { findBook, setCoverEtag } from "../books/queries.ts";
import type { Environment, ShopContext } from "../environment.ts";
import { readBookId, readBytes } from "../input.ts";
import { noSuchBook, Problem } from "../problem.ts";
import { coverVersion } from "./cover-url.ts";
import { drawCover } from "./default-cover.ts";

const maximumCoverBytes = 1024 * 1024;

/** What every browser shows as a picture, and nothing that can hold a script. */
export const coverTypes: readonly string[] = [
  "image/jpeg",
  "image/png",
  "image/webp",
  "image/avif",
  "image/gif",
];

/** `/api/books/:id/cover` */
export const coverRoutes = new Hono<Environment>()
  .put("/:id/cover", async (context) => {
    const id = readBookId(context.req.param("id"));
    const contentType = readCoverType(context.req.header("content-type"));
    if (!(await findBook(context.env.tenant, id))) throw noSuchBook();
    const cover = await storeCover(
      context,
      id,
      contentType,
      await readBytes(context.req.raw, maximumCoverBytes),
    );
    return context.json(cover, 200, { etag: cover.etag });
  })
  .get("/:id/cover", async (context) => {
    const book = await findBook(context.env.tenant, readBookId(context.req.param("id")));
    if (!book) throw noSuchBook();
    const isPresent = context.req.query("v") === coverVersion(book);
    const headers = {
      "cache-control": isPresent ? "public, max-age=31536000, immutable" : "no-cache",
      // Whatever the bytes are, they are shown as a picture and run nothing.
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      "x-content-type-options": "nosniff",
    };
    const file = book.coverEtag === null ? undefined : await context.env.tenant.files.get(coverKey(book.id));
    if (file) {
      if (isKnown(context, file.info.etag)) {
        file.body.destroy();
        return context.body(null, 304, { ...headers, etag: file.info.etag });
      }
      const { contentType, etag, size } = file.info;
      const body = Readable.toWeb(file.body) as ReadableStream<Uint8Array>;
      return context.body(body, 200, {
        ...headers,
        "content-type": contentType,
        "content-length": String(size),
        etag,
      });
    }
    const { svg, etag } = await drawCover(book);
    if (isKnown(context, etag)) return context.body(null, 304, { ...headers, etag });
    return context.body(svg, 200, { ...headers, "content-type": "image/svg+xml", etag });
  });

/** @throws Problem COVER_TYPE */
export function readCoverType(header: string | undefined): string {
  const type = header?.split(";")[0]?.trim().toLowerCase() ?? "";
  if (coverTypes.includes(type)) return type;
  throw new Problem(415, "COVER_TYPE", `A cover is one of ${coverTypes.join(", ")}.`);
}

/** Keeps the picture as the tenant's file and turns the book towards it. @throws Problem COVER_EMPTY, NOT_FOUND */
export async function storeCover(
  context: ShopContext,
  book: number,
  contentType: string,
  bytes: Uint8Array,
): Promise<{ contentType: string; size: number; etag: string }> {
  if (bytes.length === 0) throw new Problem(400, "COVER_EMPTY", "The cover is empty.");
  if (bytes.length > maximumCoverBytes)
    throw new Problem(413, "BODY_TOO_LARGE", "A cover must not be larger than 1 MB.");
  const { etag, size } = await context.env.tenant.files.put(coverKey(book), bytes, { contentType });
  if (!(await setCoverEtag(context.env.tenant, book, etag))) throw noSuchBook();
  return { contentType, size, etag };
}

function coverKey(book: number): string {
  return `covers/${book}`;
}

function isKnown(context: ShopContext, etag: string): boolean {
  const known = context.req.header("if-none-match");
  return known?.split(",").some((candidate) => candidate.trim().replace(/^W\//, "") === etag) ?? false;
}
