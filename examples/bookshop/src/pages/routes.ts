import { Hono } from "hono";
import { addBook, findShelvedBook, shelveBooks } from "../books/queries.ts";
import { readNewBook } from "../books/routes.ts";
import { readCoverType, storeCover } from "../covers/routes.ts";
import type { Environment, ShopContext } from "../environment.ts";
import { readBookId, readNumber, readReader, readStars } from "../input.ts";
import { noSuchBook, Problem } from "../problem.ts";
import { listRatings, rateBook } from "../ratings/queries.ts";
import { currentReader, ensureReader, rememberReader } from "../readers/reader-cookie.ts";
import { recommendBooks } from "../recommendations/queries.ts";
import { bookPage } from "./book-page.ts";
import { shopPage } from "./shop-page.ts";
import { averageText } from "./stars.ts";

const booksPerPage = 48;
const recommendationsShown = 8;
const ratingsShown = 20;
const maximumId = 2_147_483_647;

/** What people see, and the forms on it. */
export const pageRoutes = new Hono<Environment>()
  .get("/", async (context) => {
    const { tenant } = context.env;
    const reader = currentReader(context);
    const search = (context.req.query("q") ?? "").trim().slice(0, 100).replaceAll("\0", "");
    const before = readNumber(context.req.query("before"), {
      name: "before",
      code: "INVALID_ID",
      minimum: 1,
      fallback: maximumId,
    });
    const isFront = search === "" && before === maximumId;
    const [found, recommendations] = await Promise.all([
      shelveBooks(tenant, { reader, before, search, limit: booksPerPage + 1 }),
      isFront ? recommendBooks(tenant, { reader, limit: recommendationsShown }) : [],
    ]);
    const books = found.slice(0, booksPerPage);
    const more = found.length > booksPerPage ? moreUrl(search, books.at(-1)?.id) : undefined;
    return context.html(shopPage(context, { reader, search, books, more, recommendations }));
  })
  .get("/books/:id", async (context) => {
    const id = readBookId(context.req.param("id"));
    const reader = currentReader(context);
    const [book, ratings] = await Promise.all([
      findShelvedBook(context.env.tenant, id, reader),
      listRatings(context.env.tenant, id, ratingsShown),
    ]);
    if (!book) throw noSuchBook();
    return context.html(bookPage(context, { reader, book, ratings }));
  })
  .post("/books", async (context) => {
    const book = await addBook(context.env.tenant, ...readNewBook(await readForm(context)));
    return context.redirect(`/books/${book.id}`, 303);
  })
  .post("/reader", async (context) => {
    rememberReader(context, readReader((await readForm(context)).reader));
    return context.redirect("/", 303);
  })
  .post("/books/:id/ratings", async (context) => {
    const id = readBookId(context.req.param("id"));
    const stars = readStars(Number((await readForm(context)).stars));
    const reader = ensureReader(context);
    if (!(await rateBook(context.env.tenant, { book: id, reader, stars }))) throw noSuchBook();
    if (!context.req.header("accept")?.includes("application/json"))
      return context.redirect(`/books/${id}`, 303);
    const book = await findShelvedBook(context.env.tenant, id, reader);
    if (!book) throw noSuchBook();
    return context.json({ reader, stars, average: averageText(book) });
  })
  .post("/books/:id/cover", async (context) => {
    const id = readBookId(context.req.param("id"));
    const { cover } = await readForm(context);
    if (!(cover instanceof File)) throw new Problem(400, "COVER_EMPTY", "Choose a picture first.");
    await storeCover(context, id, readCoverType(cover.type), new Uint8Array(await cover.arrayBuffer()));
    return context.redirect(`/books/${id}`, 303);
  });

/** A form's fields; its size is bounded by the route. @throws Problem INVALID_FORM */
async function readForm(context: ShopContext): Promise<Record<string, unknown>> {
  try {
    return await context.req.parseBody();
  } catch {
    throw new Problem(400, "INVALID_FORM", "The body must be a form.");
  }
}

function moreUrl(search: string, before: number | undefined): string {
  const query = new URLSearchParams({ ...(search === "" ? {} : { q: search }), before: String(before) });
  return `/?${query}`;
}
