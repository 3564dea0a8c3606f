import type { Tenant } from "rowhouse";

export interface RatingResult {
  readonly book: number;
  readonly reader: string;
  readonly stars: number;
  /** False when the reader had rated the book before and changed their mind. */
  readonly isFirst: boolean;
}

export interface Rating {
  readonly reader: string;
  readonly stars: number;
}

/** Sets a reader's one rating of a book; `undefined` when there is no such book. */
export async function rateBook(
  tenant: Tenant,
  rating: { readonly book: number; readonly reader: string; readonly stars: number },
): Promise<RatingResult | undefined> {
  const { rows } = await tenant.db.query<{ isFirst: boolean }>(
    `WITH book AS (SELECT id FROM books WHERE id = $1),
       known AS (INSERT INTO readers (name) SELECT $2::text FROM book ON CONFLICT (name) DO NOTHING)
     INSERT INTO ratings (book_id, reader, stars) SELECT id, $2::text, $3::smallint FROM book
     ON CONFLICT (book_id, reader) DO UPDATE SET stars = excluded.stars, rated_at = now()
     RETURNING xmax = 0 AS "isFirst"`,
    [rating.book, rating.reader, rating.stars],
  );
  return rows[0] && { ...rating, isFirst: rows[0].isFirst };
}

/** A book's newest ratings. */
export async function listRatings(tenant: Tenant, book: number, limit: number): Promise<Rating[]> {
  const { rows } = await tenant.db.query<Rating>(
    "SELECT reader, stars FROM ratings WHERE book_id = $1 ORDER BY rated_at DESC, reader LIMIT $2",
    [book, limit],
  );
  return rows;
}
