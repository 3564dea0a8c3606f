import type { RowhouseError } from "./error.ts";

/** What a visitor reads over the explanation; anything else is told as the plain fact that it is. */
const headlines: Readonly<Record<number, string>> = {
  400: "That request can't be understood",
  403: "This site is paused",
  404: "There is nothing here",
  408: "That took too long",
  410: "This site is closed",
  421: "This site lives elsewhere",
  429: "A little slower, please",
  431: "That request is too large",
  502: "No answer from behind this page",
  503: "Back in a moment",
  504: "That took too long",
};

/**
 * A small self-contained page for an error: no script, no other file, readable in light and dark. It quotes
 * nothing that the visitor sent but the error's own words, escaped.
 */
export function errorPage(error: RowhouseError): string {
  const headline =
    headlines[error.status] ?? (error.status < 500 ? "That did not work" : "Something went wrong");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${headline}</title>
<style>
:root { color-scheme: light dark; --paper: #faf8f5; --ink: #2b2a28; --soft: #6d6a65; --line: #e4dfd7; --brick: #a8482f; }
@media (prefers-color-scheme: dark) { :root { --paper: #1d1c1a; --ink: #ece8e1; --soft: #a39e95; --line: #3a3733; --brick: #d98468; } }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, sans-serif; }
main { max-width: 30rem; padding: 2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .75rem; }
h1::before { content: ""; display: block; width: 2.5rem; height: .3rem; margin-bottom: 1.25rem; background: var(--brick); }
p { margin: 0 0 .75rem; }
footer { margin-top: 2rem; padding-top: .75rem; border-top: 1px solid var(--line); color: var(--soft); font-size: .85rem; }
</style>
</head>
<body>
<main>
<h1>${headline}</h1>
<p>${escapeHtml(error.reason)}</p>
<p>${escapeHtml(error.remedy)}</p>
<footer>${error.status} · ${error.code}</footer>
</main>
</body>
</html>
`;
}

/** Makes text safe inside an element or a quoted attribute. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
