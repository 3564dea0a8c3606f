import { once } from "node:events";
import { type ClientRequest, type IncomingMessage, request as send } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ReadableStream } from "node:stream/web";

const emptyStatuses = [204, 205, 304];

/**
 * Sends a request over HTTP to a server on this machine, whatever host its URL names: `fetch` would have to resolve
 * that name, and lets no one say another. Takes and answers what `fetch` does, but follows no redirect.
 */
export async function ask(
  address: { readonly host: string; readonly port: number },
  url: URL,
  init: RequestInit = {},
): Promise<Response> {
  const isStream = init.body instanceof ReadableStream;
  const request = new Request(url, isStream ? ({ duplex: "half", ...init } as RequestInit) : init);
  const body = isStream || request.body === null ? undefined : Buffer.from(await request.arrayBuffer());
  const outgoing = send({
    ...address,
    // No connection is kept: it would end under a later request when its server does.
    agent: false,
    method: request.method,
    path: url.pathname + url.search,
    headers: {
      host: url.host,
      ...Object.fromEntries(request.headers),
      ...(body && { "content-length": body.byteLength }),
    },
    signal: request.signal,
  });
  const answered = once(outgoing, "response") as Promise<[IncomingMessage]>;
  // One that comes after the answer is told by the answer's body.
  outgoing.on("error", () => {});
  if (isStream && request.body) upload(request.body as ReadableStream<Uint8Array>, outgoing);
  else outgoing.end(body);
  const [incoming] = await answered;
  return toResponse(incoming, request.url);
}

/** A server may answer, and hang up, before it has all of it. */
function upload(body: ReadableStream<Uint8Array>, outgoing: ClientRequest): void {
  pipeline(Readable.fromWeb(body), outgoing).catch(() => {});
}

function toResponse(incoming: IncomingMessage, url: string): Response {
  const { statusCode: status = 0, statusMessage: statusText = "", rawHeaders } = incoming;
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i] ?? "", rawHeaders[i + 1] ?? "");
  const isEmpty = emptyStatuses.includes(status);
  if (isEmpty) incoming.resume();
  const body = isEmpty ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
  const response = new Response(body, { status, statusText, headers });
  return Object.defineProperty(response, "url", { value: url });
}
