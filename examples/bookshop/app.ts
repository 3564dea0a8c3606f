import { defineApp } from "rowhouse";
import { seed } from "./src/seed.ts";
import { shop } from "./src/shop.ts";

export default defineApp({
  name: "bookshop",
  fetch: (request, tenant) => shop.fetch(request, { tenant }),
  migrations: "./migrations",
  assets: "./public",
  seed,
});
