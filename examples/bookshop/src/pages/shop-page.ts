import { html } from "hono/html";
import type { ShelvedBook } from "../books/queries.ts";
import { coverUrl } from "../covers/cover-url.ts";
import type { ShopContext } from "../environment.ts";
import type { Recommendation } from "../recommendations/queries.ts";
import { layout } from "./layout.ts";
import { averageStars, averageText, starForm } from "./stars.ts";

type Markup = ReturnType<typeof html>;

/** What the shop's front page shows. */
export interface ShopView {
  readonly reader: string | undefined;
  readonly search: string;
  readonly books: readonly ShelvedBook[];
  /** Address of the older books; absent on the last page. */
  readonly more: string | undefined;
  readonly recommendations: readonly Recommendation[];
}

export function shopPage(context: ShopContext, view: ShopView): Markup {
  const { name } = context.env.tenant;
  const content = html`
<h1 class="unseen">${name}</h1>
${view.recommendations.length > 0 ? recommendationStrip(view) : ""}
<section aria-labelledby="shelf">
  <h2 id="shelf">${view.search === "" ? "On the shelves" : html`Found for “${view.search}”`}</h2>
  ${view.books.length > 0 ? html`<ul class="shelf">${view.books.map(card)}</ul>` : emptyShelf(view.search)}
  ${view.more === undefined ? "" : html`<p class="more"><a href="${view.more}">More books</a></p>`}
</section>
${addForm()}`;
  return layout(
    context,
    { title: view.search === "" ? name : `“${view.search}” at ${name}`, reader: view.reader },
    content,
  );
}

function recommendationStrip({ reader, recommendations }: ShopView): Markup {
  return html`<section class="picks" aria-labelledby="picks">
  <h2 id="picks">${reader === undefined ? "Our readers’ favourites" : html`Next for ${reader}`}</h2>
  <ol class="strip" tabindex="0" aria-labelledby="picks">
    ${recommendations.map(
      (book) => html`<li><a href="/books/${book.id}">
      <img src="${coverUrl(book)}" alt="" width="400" height="600">
      <strong>${book.title}</strong>
      <span>${book.author}</span>
      <span class="average">${averageText(book)}</span>
    </a></li>`,
    )}
  </ol>
  <details class="rule">
    <summary>How are these chosen?</summary>
    <p>They are the best-rated books that you haven’t rated yet. Every book starts out with five imagined ratings of
    the shop’s average, so that one enthusiast alone doesn’t make a favourite; as real ratings come in, the imagined
    ones fade.</p>
  </details>
</section>`;
}

function card(book: ShelvedBook): Markup {
  return html`<li class="book" data-book="${book.id}">
  <a class="cover" href="/books/${book.id}" tabindex="-1" aria-hidden="true"><img src="${coverUrl(book)}" alt="" width="400" height="600" loading="lazy"></a>
  <h3><a href="/books/${book.id}">${book.title}</a></h3>
  <p class="author">${book.author}</p>
  ${averageStars(book)}
  ${starForm(book)}
</li>`;
}

function emptyShelf(search: string): Markup {
  return search === ""
    ? html`<p class="empty">The shelves are empty. Add the first book below.</p>`
    : html`<p class="empty">No title or author has that in it. <a href="/">See all books</a>.</p>`;
}

function addForm(): Markup {
  return html`<section class="add" aria-labelledby="add">
  <div>
    <h2 id="add">Add a book</h2>
    <p>It goes to the front of the shelves, with a cover drawn from its title until you give it one.</p>
  </div>
  <form action="/books" method="post">
    <label>Title <input name="title" required maxlength="300"></label>
    <label>Author <input name="author" required maxlength="200"></label>
    <button>Add to the shelves</button>
  </form>
</section>`;
}
