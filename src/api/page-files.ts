import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Context } from "hono";

interface PageFile {
  readonly body: string;
  readonly contentType: string;
  readonly etag: string;
}

/** The sign-up page's own files; in the sources and in the built package they lie two folders above this module. */
const folder = fileURLToPath(new URL("../../console/signup/", import.meta.url));

const contentTypes: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** Files that a page names, as `/signup/assets/<file>`. */
const assetNames = [
  "signup.css",
  "progress.css",
  "signup.js",
  "form.js",
  "progress.js",
  "slug.js",
  "icon.svg",
] as const;

const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The sign-up page and what it loads, read once. */
export class PageFiles {
  readonly #page = readPageFile("index.html");
  readonly #assets: ReadonlyMap<string, PageFile> = new Map(
    assetNames.map((name) => [name, readPageFile(name)]),
  );

  page(context: Context): Response {
    context.header("content-security-policy", pagePolicy);
    context.header("referrer-policy", "same-origin");
    return answer(context, this.#page);
  }

  /** `undefined` when there is no such file. */
  asset(context: Context, name: string): Response | undefined {
    const file = this.#assets.get(name);
    return file && answer(context, file);
  }
}

function readPageFile(name: string): PageFile {
  const body = readFileSync(`${folder}${name}`, "utf8");
  const etag = `"${createHash("sha256").update(body).digest("base64url").slice(0, 22)}"`;
  return { body, etag, contentType: contentTypes[name.split(".").at(-1) ?? ""] ?? "text/plain" };
}

/** Kept by browsers, and asked for anew each time: an upgrade shows at once, and costs an empty answer else. */
function answer(context: Context, { body, contentType, etag }: PageFile): Response {
  const headers = { etag, "cache-control": "no-cache", "x-content-type-options": "nosniff" };
  const known = context.req.header("if-none-match");
  if (known?.includes(etag)) return context.body(null, 304, headers);
  return context.body(body, 200, { ...headers, "content-type": contentType });
}
