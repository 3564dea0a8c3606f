import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/**
 * A server to be killed: `node target-program.ts <port> <file>`. Each request that it carries out is written to the
 * file, as one line with the method and the `x-id` header, before it is answered.
 */
const [port = "0", file = ""] = process.argv.slice(2);

const server = createServer(async (request, response) => {
  if (request.url === "/_rowhouse/health") {
    response.end("{}");
    return;
  }
  const body = await text(request);
  appendFileSync(file, `${request.method} ${request.headers["x-id"]}\n`);
  const delay = Number(request.headers["x-delay"] ?? 0);
  setTimeout(() => response.end(JSON.stringify({ pid: process.pid, bytes: body.length })), delay);
});
server.listen(Number(port), "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
