/** Carries the edge's proof that it wrote the forwarding headers; never passed on to an instance. */
export const edgeMarkerHeader = "x-rowhouse-edge";

/** Who asks, as told to the next server. */
export interface ForwardedFor {
  readonly clientAddress: string;
  readonly requestId: string;
  /** The request came from the edge, which wrote these headers itself: they stay. */
  readonly fromEdge: boolean;
}

/** Meant for one connection. Source: RFC 9110, 7.6.1; `expect` is answered here, by this server. */
const hopByHop: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "expect",
  "http2-settings",
]);

/** What `Connection` may not take away, because the message would change its meaning. */
const neverNominated: ReadonlySet<string> = new Set(["host", "content-length"]);

/**
 * A request's headers for the next server, as a flat list of names and values: without those of the connection and
 * without any claim by the client on where it comes from, and with what is known for sure.
 */
export function forwardRequestHeaders(rawHeaders: readonly string[], who: ForwardedFor): string[] {
  const headers: string[] = [];
  let connection = "";
  let host = "";
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    const value = rawHeaders[i + 1] ?? "";
    if (name === "host") host = value;
    if (name === "connection") connection = connection === "" ? value : `${connection},${value}`;
    else if (!hopByHop.has(name) && !isClaim(name, who.fromEdge)) headers.push(name, value);
  }
  const kept = removeNominated(headers, connection);
  if (!who.fromEdge) {
    kept.push("x-forwarded-for", who.clientAddress, "x-forwarded-proto", "http");
    kept.push("x-forwarded-host", host, "x-request-id", who.requestId);
  }
  return kept;
}

/** A response's headers for the client, as a flat list, from an object with lower-case names. */
export function forwardResponseHeaders(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): string[] {
  const kept: string[] = [];
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (value === undefined || hopByHop.has(name)) continue;
    if (typeof value === "string") kept.push(name, value);
    else for (const one of value) kept.push(name, one);
  }
  return removeNominated(kept, headers.connection?.toString() ?? "");
}

/** True for what only the platform may say: where a request comes from, and its own headers. */
function isClaim(name: string, fromEdge: boolean): boolean {
  if (name === edgeMarkerHeader) return true;
  if (fromEdge) return false;
  if (!name.startsWith("x-")) return name === "forwarded";
  return (
    name.startsWith("x-forwarded-") ||
    name.startsWith("x-rowhouse-") ||
    name === "x-real-ip" ||
    name === "x-request-id"
  );
}

/** Removes the headers that `Connection` names as meant for that connection alone. */
function removeNominated(headers: string[], connection: string): string[] {
  if (connection === "" || /^(?:keep-alive|close)$/i.test(connection)) return headers;
  const nominated = new Set(connection.split(",").map((token) => token.trim().toLowerCase()));
  const kept: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] ?? "";
    if (!nominated.has(name) || neverNominated.has(name)) kept.push(name, headers[i + 1] ?? "");
  }
  return kept;
}
