import { Hono } from "hono";
import type { Environment } from "../environment.ts";
import { readBookId, readJsonObject, readNumber, readText } from "../input.ts";
import { noSuchBook } from "../problem.ts";
import { addBook, findBook } from "./queries.ts";
import { writeBooks } from "./stream.ts";

/** `/api/books` */
export const bookRoutes = new Hono<Environment>()
  .get("/", async (context) => {
    const limit = readNumber(context.req.query("limit"), {
      name: "limit",
      code: "INVALID_LIMIT",
      minimum: 1,
      maximum: 1_000_000,
      fallback: 100,
    });
    const after = readNumber(context.req.query("after"), {
      name: "after",
      code: "INVALID_AFTER",
      minimum: 0,
      fallback: 0,
    });
    const body = await writeBooks(context.env.tenant, after, limit);
    return context.body(body, 200, { "content-type": "application/json" });
  })
  .post("/", async (context) => {
    const book = await addBook(context.env.tenant, ...readNewBook(await readJsonObject(context.req.raw)));
    return context.json(book, 201, { location: `/api/books/${book.id}` });
  })
  .get("/:id", async (context) => {
    const book = await findBook(context.env.tenant, readBookId(context.req.param("id")));
    if (!book) throw noSuchBook();
    return context.json({ id: book.id, title: book.title, author: book.author });
  });

/** Title and author of a book that is to be added. @throws Problem INVALID_TITLE, INVALID_AUTHOR */
export function readNewBook(body: Readonly<Record<string, unknown>>): [title: string, author: string] {
  return [
    readText(body.title, { name: "title", code: "INVALID_TITLE", maximum: 300 }),
    readText(body.author, { name: "author", code: "INVALID_AUTHOR", maximum: 200 }),
  ];
}
