import type { Tenant } from "rowhouse";
import type { Book } from "../books/queries.ts";

export interface Recommendation extends Book {
  readonly coverEtag: string | null;
  readonly ratings: number;
  readonly average: number;
  /** What the books are ordered by, 1 to 5. */
  readonly score: number;
}

/** As many ratings of the shop's average as every book is given to begin with. */
const priorRatings = 5;

/**
 * The best-rated books that the reader has not rated. Two enthusiasts don't make a best book, so the score is the
 * Bayesian average (C·m + Σ stars) / (C + n): n ratings of the book, m the average of all ratings in the shop, and
 * C = 5 imagined ratings of that average, which fade as real ones come in.
 */
export async function recommendBooks(
  tenant: Tenant,
  options: { readonly reader: string | undefined; readonly limit: number },
): Promise<Recommendation[]> {
  const { rows } = await tenant.db.query<Recommendation>(
    `WITH shop AS (SELECT avg(stars) AS mean FROM ratings),
       rated AS (SELECT book_id, count(*) AS ratings, sum(stars) AS stars FROM ratings GROUP BY book_id)
     SELECT b.id, b.title, b.author, b.cover_etag AS "coverEtag",
       rated.ratings::integer AS ratings,
       (rated.stars::float8 / rated.ratings) AS average,
       (($2 * shop.mean + rated.stars) / ($2 + rated.ratings))::float8 AS score
     FROM rated JOIN books b ON b.id = rated.book_id CROSS JOIN shop
     WHERE NOT EXISTS (SELECT FROM ratings own WHERE own.book_id = b.id AND own.reader = $1)
     ORDER BY score DESC, rated.ratings DESC, b.id
     LIMIT $3`,
    [options.reader ?? null, priorRatings, options.limit],
  );
  return rows;
}
