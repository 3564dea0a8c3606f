import { type IncomingMessage, type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from "node:http";
import type { RowhouseError } from "../../core/error.ts";
import { errorPage } from "../../core/error-page.ts";
import { prefersHtml, problemContentType, problemDocument } from "../../core/problem.ts";

const fixedHeaders = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

export interface AnswerOptions {
  readonly retryAfterSeconds?: number;
  /** Nothing more is read from this connection. */
  readonly close?: boolean;
}

/** Answers with the error: a page for whoever prefers one, else a problem document. Breaks off what had begun. */
export function sendError(
  request: IncomingMessage,
  response: ServerResponse,
  error: RowhouseError,
  options: AnswerOptions = {},
): void {
  if (response.headersSent) {
    breakOff(response);
    return;
  }
  const html = prefersHtml(request.headers.accept);
  const body = html ? errorPage(error) : JSON.stringify(problemDocument(error));
  const headers: OutgoingHttpHeaders = {
    ...fixedHeaders,
    "content-type": html ? "text/html; charset=utf-8" : problemContentType,
    "content-length": Buffer.byteLength(body),
    vary: "accept",
  };
  if (html) headers["content-security-policy"] = "default-src 'none'; style-src 'unsafe-inline'";
  if (error.status === 405) headers.allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
  if (options.retryAfterSeconds !== undefined) headers["retry-after"] = `${options.retryAfterSeconds}`;
  if (options.close) headers.connection = "close";
  response.writeHead(error.status, headers);
  response.end(body);
}

/** The same answer for a connection on which no request could be read. */
export function rawAnswer(error: RowhouseError): string {
  const body = JSON.stringify(problemDocument(error));
  const lines = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ""}`,
    ...Object.entries(fixedHeaders).map(([name, value]) => `${name}: ${value}`),
    `content-type: ${problemContentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
  ];
  return `${lines.join("\r\n")}\r\n\r\n${body}`;
}

/** Resets the connection of a half-sent response, so that no client can take it for a whole one. */
export function breakOff(response: ServerResponse): void {
  const socket = response.socket;
  response.destroy();
  if (socket && !socket.destroyed) socket.resetAndDestroy();
}
