import { Hono } from "hono";
import type { Environment } from "../environment.ts";
import { readBookId, readJsonObject, readReader, readStars } from "../input.ts";
import { noSuchBook } from "../problem.ts";
import { rateBook } from "./queries.ts";

/** `/api/books/:id/ratings` */
export const ratingRoutes = new Hono<Environment>().post("/:id/ratings", async (context) => {
  const book = readBookId(context.req.param("id"));
  const body = await readJsonObject(context.req.raw);
  const result = await rateBook(context.env.tenant, {
    book,
    reader: readReader(body.reader),
    stars: readStars(body.stars),
  });
  if (!result) throw noSuchBook();
  const { reader, stars, isFirst } = result;
  return context.json({ book, reader, stars }, isFirst ? 201 : 200);
});
