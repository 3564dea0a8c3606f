import { Agent, type IncomingMessage, request as requestHttp, type ServerResponse } from "node:http";

const agent = new Agent({ keepAlive: false });

/**
 * Sends a request that was held while its tenant moved to another region on to that region's balancer, and its answer
 * back: whoever waited shall not be sent away. Rejects when nothing could be asked and the body is untouched.
 */
export async function forwardHeld(
  request: IncomingMessage,
  response: ServerResponse,
  balancerUrl: string,
): Promise<void> {
  const { hostname, port } = new URL(balancerUrl);
  const upstream = requestHttp({
    agent,
    hostname,
    port,
    method: request.method,
    path: request.url,
    headers: withoutConnection(request.rawHeaders),
    setHost: false,
  });
  await new Promise<void>((resolve, reject) => {
    upstream.once("socket", (socket) => {
      socket.once("connect", () => {
        request.pipe(upstream);
        resolve();
      });
    });
    upstream.once("error", reject);
  });
  upstream.once("error", () => response.destroy());
  response.once("close", () => upstream.destroy());
  upstream.once("response", (answer) => {
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage, withoutConnection(answer.rawHeaders));
    answer.once("error", () => response.destroy());
    answer.pipe(response);
  });
}

/** What belongs to one connection alone is made anew for the other. Source: RFC 9110, 7.6.1. */
function withoutConnection(raw: readonly string[]): string[] {
  const kept: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const [name = "", value = ""] = raw.slice(index, index + 2);
    if (!/^(connection|keep-alive|proxy-connection|upgrade)$/i.test(name)) kept.push(name, value);
  }
  return kept;
}
