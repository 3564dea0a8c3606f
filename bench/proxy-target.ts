/** What is proxied: a small answer, on the port that it sends to its parent. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

const body = process.argv[2] ?? "";
const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };

const server = createServer((request, response) => {
  response.writeHead(200, { ...headers, "x-rowhouse-instance": "i-1", "x-rowhouse-region": "test-1" });
  response.end(request.method === "HEAD" ? undefined : body);
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
