import { html } from "hono/html";
import type { ShopContext } from "../environment.ts";
import type { Problem } from "../problem.ts";
import { currentReader } from "../readers/reader-cookie.ts";
import { layout } from "./layout.ts";

/** What a person sees where a program would get the problem document. */
export function problemPage(context: ShopContext, problem: Problem): ReturnType<typeof html> {
  const content = html`<section class="problem">
  <h1>${problem.title}</h1>
  <p>${problem.message}</p>
  <p><a href="/">Back to the shelves</a></p>
</section>`;
  return layout(context, { title: problem.title, reader: currentReader(context) }, content);
}
