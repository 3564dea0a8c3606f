import type { Tenant } from "rowhouse";

export interface Book {
  readonly id: number;
  readonly title: string;
  readonly author: string;
}

/** A book with what the shop's pages show around it. */
export interface ShelvedBook extends Book {
  readonly coverEtag: string | null;
  readonly ratings: number;
  /** Of all ratings; `null` when there are none. */
  readonly average: number | null;
  /** What the reader in question gave it. */
  readonly stars: number | null;
}

/** Books in the order of their ids, from the first after `after`. */
export async function listBooks(tenant: Tenant, after: number, limit: number): Promise<Book[]> {
  const { rows } = await tenant.db.query<Book>(
    "SELECT id, title, author FROM books WHERE id > $1 ORDER BY id LIMIT $2",
    [after, limit],
  );
  return rows;
}

export async function findBook(
  tenant: Tenant,
  id: number,
): Promise<(Book & { readonly coverEtag: string | null }) | undefined> {
  const { rows } = await tenant.db.query<Book & { coverEtag: string | null }>(
    `SELECT id, title, author, cover_etag AS "coverEtag" FROM books WHERE id = $1`,
    [id],
  );
  return rows[0];
}

/** Returns once the book is committed. */
export async function addBook(tenant: Tenant, title: string, author: string): Promise<Book> {
  const { rows } = await tenant.db.query<Book>(
    "INSERT INTO books (title, author) VALUES ($1, $2) RETURNING id, title, author",
    [title, author],
  );
  if (!rows[0]) throw new Error("INSERT returned no row");
  return rows[0];
}

/** False when there is no such book. */
export async function setCoverEtag(tenant: Tenant, id: number, etag: string): Promise<boolean> {
  const { rowCount } = await tenant.db.query("UPDATE books SET cover_etag = $2 WHERE id = $1", [id, etag]);
  return rowCount === 1;
}

const shelved = `
  SELECT b.id, b.title, b.author, b.cover_etag AS "coverEtag", r.ratings, r.average,
    (SELECT stars FROM ratings WHERE book_id = b.id AND reader = $1) AS stars
  FROM books b
  CROSS JOIN LATERAL (
    SELECT count(*)::integer AS ratings, avg(stars)::float8 AS average FROM ratings WHERE book_id = b.id
  ) r`;

/** The newest books before the id `before`, with `reader`'s own stars; `search` is looked for in title and author. */
export async function shelveBooks(
  tenant: Tenant,
  options: {
    readonly reader: string | undefined;
    readonly before: number;
    readonly limit: number;
    readonly search: string;
  },
): Promise<ShelvedBook[]> {
  const pattern = `%${options.search.replace(/[\\%_]/g, "\\$&")}%`;
  const { rows } = await tenant.db.query<ShelvedBook>(
    `${shelved} WHERE b.id < $2 AND ($3 = '%%' OR b.title ILIKE $3 OR b.author ILIKE $3) ORDER BY b.id DESC LIMIT $4`,
    [options.reader ?? null, options.before, pattern, options.limit],
  );
  return rows;
}

export async function findShelvedBook(
  tenant: Tenant,
  id: number,
  reader: string | undefined,
): Promise<ShelvedBook | undefined> {
  const { rows } = await tenant.db.query<ShelvedBook>(`${shelved} WHERE b.id = $2`, [reader ?? null, id]);
  return rows[0];
}
