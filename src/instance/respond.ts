import type { ServerResponse } from "node:http";
import type { RowhouseError } from "../core/error.ts";
import { errorPage } from "../core/error-page.ts";
import { prefersHtml, problemContentType, problemDocument } from "../core/problem.ts";

/** More that an error's answer may say. */
export interface ErrorAnswerOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the problem document. */
  readonly members?: Readonly<Record<string, string>>;
}

/** An error as an HTTP message: a page for a browser, a problem document for all else. */
export function errorMessage(
  error: RowhouseError,
  accept: string | undefined,
  options: ErrorAnswerOptions = {},
): { readonly status: number; readonly headers: Record<string, string>; readonly body: string } {
  const html = prefersHtml(accept);
  const body = html ? errorPage(error) : JSON.stringify({ ...problemDocument(error), ...options.members });
  const headers: Record<string, string> = {
    "content-type": html ? "text/html; charset=utf-8" : problemContentType,
    "cache-control": "no-store",
    vary: "Accept",
    ...options.headers,
  };
  if (html) headers["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'";
  if (error.status === 503) headers["retry-after"] ??= "2";
  return { status: error.status, headers, body };
}

/** Sends an error; where an answer has already begun, all that is left is to break it off. */
export function answerError(
  response: ServerResponse,
  error: RowhouseError,
  accept: string | undefined,
  options?: ErrorAnswerOptions,
): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { status, headers, body } = errorMessage(error, accept, options);
  for (const name of response.getHeaderNames()) {
    // What the application had set of its own belongs to the answer that failed.
    if (!name.startsWith("x-rowhouse-")) response.removeHeader(name);
  }
  response.writeHead(status, { ...headers, "content-length": Buffer.byteLength(body) }).end(body);
}

/** Sends JSON. */
export function answerJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response
    .writeHead(status, {
      "content-type": "application/json",
      "cache-control": "no-store",
      "content-length": Buffer.byteLength(body),
    })
    .end(body);
}
