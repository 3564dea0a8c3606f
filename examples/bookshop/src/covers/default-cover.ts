import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { Book } from "../books/queries.ts";

/** Board, ink and foil, as a binder would pair them. */
const palettes = [
  ["#23395b", "#f2e8d5", "#d9a441"],
  ["#7a2e2b", "#f6ead7", "#e3b76b"],
  ["#2f4f3e", "#f1ead6", "#c9b06b"],
  ["#e9dcc3", "#2b2622", "#9c3d2e"],
  ["#3d2c4a", "#f3e6ea", "#d48fa0"],
  ["#d8c9a8", "#26323f", "#2f5d73"],
  ["#1f2526", "#efe7d9", "#c77b4a"],
  ["#b9502f", "#fbf1e2", "#f3c66f"],
  ["#456a72", "#f4eee0", "#e7c58a"],
  ["#efe6da", "#3b2b26", "#55745c"],
] as const;

const goldenRatio = 0.618_033_988_75;
const width = 400;
const height = 600;

/** Draws a cover from a book's title and author: the same for the same book, and unlike its neighbours'. */
export async function drawCover({ id, title, author }: Book): Promise<{ svg: string; etag: string }> {
  const seed = createHash("sha256").update(`${title}\n${author}`).digest();
  // Steps of the golden ratio: books that follow each other on a shelf never look alike.
  const [board, ink, foil] = palettes[Math.floor(((id * goldenRatio) % 1) * palettes.length)] ?? palettes[0];
  const draw = ornaments[(seed[1] ?? 0) % ornaments.length] ?? rings;
  const lines = wrap(title, title.length > 40 ? 18 : 13, 6);
  const longest = Math.max(...lines.map((line) => line.length));
  // A wide serif takes 0.7 of its size per letter when it is bold.
  const size = Math.round(Math.min(50, 300 / (longest * 0.7), 190 / lines.length));
  const top = 345 - ((lines.length - 1) * size * 1.16) / 2;
  const text = lines.map(
    (line, index) => html`<tspan x="200" y="${Math.round(top + index * size * 1.16)}">${line}</tspan>`,
  );
  const names = wrap(author, 24, 2);
  const byline = names.map(
    (line, index) => html`<tspan x="200" y="${530 + (index - names.length + 1) * 26}">${line}</tspan>`,
  );
  const markup =
    await html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>${title} by ${author}</title>
<rect width="${width}" height="${height}" fill="${board}"/>
<rect x="20" y="20" width="360" height="560" fill="none" stroke="${foil}" stroke-width="2"/>
<rect x="27" y="27" width="346" height="546" fill="none" stroke="${foil}" stroke-width="0.8"/>
<g fill="none" stroke="${foil}" stroke-width="2">${raw(draw(seed))}</g>
<g font-family="'Iowan Old Style', 'Palatino Linotype', Palatino, 'URW Palladio L', 'Book Antiqua', Georgia, serif" text-anchor="middle" fill="${ink}">
<text font-size="${size}" font-weight="600">${text}</text>
<text font-size="20" letter-spacing="1" font-style="italic">${byline}</text>
</g>
</svg>`;
  const svg = String(markup);
  return { svg, etag: `"${createHash("sha256").update(svg).digest("base64url").slice(0, 16)}"` };
}

/** Each draws in the upper third, around (200, 150), and takes its counts from the seed. */
const ornaments: readonly ((seed: Uint8Array) => string)[] = [rings, fan, diamonds, sun, arches, hills];

function rings(seed: Uint8Array): string {
  const count = 4 + ((seed[2] ?? 0) % 4);
  return Array.from(
    { length: count },
    (_, i) => `<circle cx="200" cy="150" r="${Math.round(((i + 1) * 84) / count)}"/>`,
  ).join("");
}

function fan(seed: Uint8Array): string {
  const count = 9 + ((seed[2] ?? 0) % 4) * 2;
  const rays = Array.from({ length: count }, (_, i) => {
    const angle = Math.PI + (Math.PI * i) / (count - 1);
    return `<path d="M200 216 L${point(200 + Math.cos(angle) * 140)} ${point(216 + Math.sin(angle) * 140)}"/>`;
  });
  return `${rays.join("")}<path d="M60 216 A140 140 0 0 1 340 216"/><path d="M150 216 A50 50 0 0 1 250 216"/>`;
}

function diamonds(seed: Uint8Array): string {
  const columns = 3 + ((seed[2] ?? 0) % 3);
  const step = 240 / columns;
  return Array.from({ length: columns * 2 }, (_, i) => {
    const x = 80 + step / 2 + (i % columns) * step;
    const y = 110 + Math.floor(i / columns) * 80;
    return `<path d="M${point(x)} ${y - 38} L${point(x + step / 2)} ${y} L${point(x)} ${y + 38} L${point(x - step / 2)} ${y} Z"/>`;
  }).join("");
}

function sun(seed: Uint8Array): string {
  const count = 16 + ((seed[2] ?? 0) % 4) * 4;
  const rays = Array.from({ length: count }, (_, i) => {
    const angle = (2 * Math.PI * i) / count;
    const outer = i % 2 === 0 ? 88 : 72;
    const at = (radius: number) =>
      `${point(200 + Math.cos(angle) * radius)} ${point(150 + Math.sin(angle) * radius)}`;
    return `<path d="M${at(48)} L${at(outer)}"/>`;
  });
  return `<circle cx="200" cy="150" r="36"/>${rays.join("")}`;
}

function arches(seed: Uint8Array): string {
  const count = 3 + ((seed[2] ?? 0) % 3);
  return Array.from({ length: count }, (_, i) => {
    const radius = 92 - (i * 78) / count;
    return `<path d="M${point(200 - radius)} 230 V150 A${point(radius)} ${point(radius)} 0 0 1 ${point(200 + radius)} 150 V230"/>`;
  }).join("");
}

function hills(seed: Uint8Array): string {
  const count = 5 + ((seed[2] ?? 0) % 3);
  const waves = Array.from({ length: count }, (_, i) => {
    const y = 140 + (i * 90) / count;
    const bend = i % 2 === 0 ? -46 : 46;
    return `<path d="M60 ${point(y)} C130 ${point(y + bend)} 270 ${point(y - bend)} 340 ${point(y)}"/>`;
  });
  return `<circle cx="${150 + ((seed[3] ?? 0) % 100)}" cy="92" r="24"/>${waves.join("")}`;
}

function point(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** Breaks text into lines of about `columns` letters; what is longer than `maximumLines` ends in an ellipsis. */
function wrap(text: string, columns: number, maximumLines: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length + 1 <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word.length > 24 ? `${word.slice(0, 23)}…` : word);
  }
  if (lines.length <= maximumLines) return lines;
  return [...lines.slice(0, maximumLines - 1), `${lines[maximumLines - 1]} …`];
}
