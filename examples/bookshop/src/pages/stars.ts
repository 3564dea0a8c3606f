import { html } from "hono/html";
import type { Book, ShelvedBook } from "../books/queries.ts";

type Markup = ReturnType<typeof html>;

/** What all readers together think, as in “★ 4.3 · 12 ratings”. */
export function averageStars(book: Pick<ShelvedBook, "average" | "ratings">): Markup {
  return html`<p class="average" data-average>${averageText(book)}</p>`;
}

/** The text of {@link averageStars}, which the page's script puts in anew after a rating. */
export function averageText({ average, ratings }: Pick<ShelvedBook, "average" | "ratings">): string {
  if (average === null) return "Not rated yet";
  return `★ ${average.toFixed(1)} · ${ratings} ${ratings === 1 ? "rating" : "ratings"}`;
}

/** One reader's own stars: radio buttons, so that it is one stop for the keyboard, and a form without any script. */
export function starForm(book: Book & Pick<ShelvedBook, "stars">): Markup {
  const choices = [1, 2, 3, 4, 5].map(
    (stars) =>
      html`<label><input type="radio" name="stars" value="${stars}" required ${book.stars === stars ? "checked" : ""}><span class="unseen">${stars} ${stars === 1 ? "star" : "stars"}</span></label>`,
  );
  return html`<form class="stars" action="/books/${book.id}/ratings" method="post" data-rate>
<fieldset><legend class="unseen">Your rating of ${book.title}</legend>${choices}</fieldset>
<button>Rate</button>
</form>`;
}
