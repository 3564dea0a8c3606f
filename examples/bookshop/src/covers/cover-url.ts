import { createHash } from "node:crypto";
import type { Book } from "../books/queries.ts";

/**
 * The address of a book's present cover. Its `v` changes when the cover does, so that it can be kept for a year
 * by whoever fetched it.
 */
export function coverUrl(book: Book & { readonly coverEtag: string | null }): string {
  return `/api/books/${book.id}/cover?v=${coverVersion(book)}`;
}

/** What `v` is for the present cover. */
export function coverVersion(book: Book & { readonly coverEtag: string | null }): string {
  const identity = book.coverEtag ?? `${book.title}\n${book.author}`;
  return createHash("sha256").update(identity).digest("base64url").slice(0, 10);
}
