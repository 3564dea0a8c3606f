import { Hono } from "hono";
import type { Environment } from "../environment.ts";
import { readNumber, readReader } from "../input.ts";
import { recommendBooks } from "./queries.ts";

/** `/api/recommendations` */
export const recommendationRoutes = new Hono<Environment>().get("/", async (context) => {
  const reader = readReader(context.req.query("reader"));
  const limit = readNumber(context.req.query("limit"), {
    name: "limit",
    code: "INVALID_LIMIT",
    minimum: 1,
    maximum: 100,
    fallback: 10,
  });
  const found = await recommendBooks(context.env.tenant, { reader, limit });
  const books = found.map(({ coverEtag: _, ...book }) => ({
    ...book,
    score: Math.round(book.score * 1000) / 1000,
  }));
  return context.json({ reader, books });
});
