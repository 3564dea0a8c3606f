import { html } from "hono/html";
import type { ShelvedBook } from "../books/queries.ts";
import { coverUrl } from "../covers/cover-url.ts";
import { coverTypes } from "../covers/routes.ts";
import type { ShopContext } from "../environment.ts";
import type { Rating } from "../ratings/queries.ts";
import { layout } from "./layout.ts";
import { averageStars, starForm } from "./stars.ts";

type Markup = ReturnType<typeof html>;

export interface BookView {
  readonly reader: string | undefined;
  readonly book: ShelvedBook;
  readonly ratings: readonly Rating[];
}

export function bookPage(context: ShopContext, { reader, book, ratings }: BookView): Markup {
  const content = html`
<p class="back"><a href="/">All books</a></p>
<article class="detail" data-book="${book.id}">
  <div class="cover"><img src="${coverUrl(book)}" alt="The cover of ${book.title}" width="400" height="600"></div>
  <div>
    <h1>${book.title}</h1>
    <p class="author">${book.author}</p>
    ${averageStars(book)}
    <h2>Your rating</h2>
    ${starForm(book)}
    ${ratings.length > 0 ? ratingList(ratings) : ""}
    <details class="upload">
      <summary>${book.coverEtag === null ? "Give it a cover" : "Change the cover"}</summary>
      <form action="/books/${book.id}/cover" method="post" enctype="multipart/form-data">
        <label for="cover">A picture of at most 1 MB, best 2 wide to 3 high</label>
        <input id="cover" name="cover" type="file" required accept="${coverTypes.join(",")}">
        <button>Upload</button>
      </form>
    </details>
  </div>
</article>`;
  return layout(
    context,
    { title: `${book.title} by ${book.author} · ${context.env.tenant.name}`, reader },
    content,
  );
}

function ratingList(ratings: readonly Rating[]): Markup {
  return html`<h2>What readers gave</h2>
<ul class="ratings">${ratings.map(
    ({ reader, stars }) =>
      html`<li><span>${reader}</span> <span role="img" aria-label="${stars} of 5 stars">${"★".repeat(stars)}${"☆".repeat(5 - stars)}</span></li>`,
  )}</ul>`;
}
