import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { forwardResponseHeaders } from "../../core/balancing/forwarded-headers.ts";

type HeaderRecord = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Passes a WebSocket's "101 Switching Protocols" on and joins both connections until either ends. Only an upstream
 * that agreed to switch gets here, so that no client can speak plain HTTP past the checks of this server.
 */
export function joinTunnel(tunnel: {
  readonly client: Socket;
  /** What the client sent right behind its request. */
  readonly head: Buffer;
  readonly upstream: Duplex;
  readonly headers: HeaderRecord;
  readonly onClose: () => void;
}): void {
  const { client, upstream } = tunnel;
  client.write(responseHead(tunnel.headers), "latin1");
  if (tunnel.head.length > 0) upstream.write(tunnel.head);
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    client.destroy();
    upstream.destroy();
    tunnel.onClose();
  };
  client.on("error", end).on("close", end).pipe(upstream);
  upstream.on("error", end).on("close", end).pipe(client);
}

function responseHead(headers: HeaderRecord): string {
  const kept = forwardResponseHeaders(headers);
  let head = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n";
  for (let i = 0; i < kept.length; i += 2) head += `${kept[i]}: ${kept[i + 1]}\r\n`;
  return `${head}\r\n`;
}
