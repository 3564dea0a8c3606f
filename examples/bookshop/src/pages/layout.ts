import { html } from "hono/html";
import { assetUrl } from "rowhouse";
import type { ShopContext } from "../environment.ts";

type Markup = ReturnType<typeof html>;

/** The whole page around `content`: the shop's name, the search, who reads, and where the shop's data lives. */
export function layout(
  context: ShopContext,
  page: { readonly title: string; readonly reader: string | undefined },
  content: Markup,
): Markup {
  const { tenant } = context.env;
  const search = context.req.query("q") ?? "";
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${page.title}</title>
<link rel="icon" type="image/svg+xml" href="${assetUrl("icon.svg")}">
<link rel="stylesheet" href="${assetUrl("base.css")}">
<link rel="stylesheet" href="${assetUrl("shop.css")}">
<script type="module" src="${assetUrl("shop.js")}"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the books</a>
<header class="masthead">
  <p class="name"><a href="/">${tenant.name}</a></p>
  <form class="search" role="search" action="/" method="get">
    <label class="unseen" for="q">Search by title or author</label>
    <input id="q" name="q" type="search" value="${search}" placeholder="Search title or author" maxlength="100">
    <button>Search</button>
  </form>
  <details class="reader">
    <summary>${page.reader === undefined ? "Who’s reading?" : html`Reading as <strong data-reader>${page.reader}</strong>`}</summary>
    <form action="/reader" method="post">
      <label for="reader-name">Your name</label>
      <input id="reader-name" name="reader" required maxlength="100" autocomplete="nickname" value="${page.reader ?? ""}">
      <button>Save</button>
      <p>Ratings are kept under this name.</p>
    </form>
  </details>
</header>
<main id="content">
${content}
</main>
<footer>
  <p>${tenant.name} keeps its books, readers and ratings to itself, in ${tenant.region}.</p>
</footer>
<p class="unseen" role="status" data-announcer></p>
</body>
</html>`;
}
