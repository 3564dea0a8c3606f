import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { request } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answering, BalancerHarness, rawTarget } from "../../../test/support/balancer-harness.ts";
import { edgeMarker } from "./forwarder.ts";

const harness = new BalancerHarness();
beforeEach(() => harness.start());
afterEach(() => harness.dispose());

const host = { host: "acme.localhost:8080" };

describe("passing on", () => {
  test("tells the instance who asks, and nothing that a client made up", async () => {
    await harness.add(
      "i-1",
      answering((request, response) => response.end(JSON.stringify(request.headers))),
    );
    const made = { "x-forwarded-for": "6.6.6.6", forwarded: "for=6.6.6.6", "x-rowhouse-edge": "guess" };
    const answer = await request(harness.url, {
      headers: { ...host, ...made, te: "trailers", accept: "*/*" },
    });
    const seen = (await answer.body.json()) as Record<string, string>;
    expect(seen).toEqual({
      host: "acme.localhost:8080",
      connection: "keep-alive",
      accept: "*/*",
      "x-forwarded-for": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-forwarded-host": "acme.localhost:8080",
      "x-request-id": expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test("believes the edge", async () => {
    await harness.add(
      "i-1",
      answering((request, response) => response.end(JSON.stringify(request.headers))),
    );
    const headers = {
      ...host,
      "x-forwarded-for": "203.0.113.9",
      "x-rowhouse-edge": edgeMarker(harness.internalToken),
    };
    const seen = (await (await request(harness.url, { headers })).body.json()) as Record<string, string>;
    expect(seen["x-forwarded-for"]).toBe("203.0.113.9");
    expect(seen).not.toHaveProperty("x-rowhouse-edge");
  });

  test("keeps status, reason, repeated headers, and no header of the connection", async () => {
    await harness.add(
      "i-1",
      rawTarget((socket) =>
        socket.end(
          "HTTP/1.1 299 Quite Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nContent-Length: 2\r\n\r\nok",
        ),
      ),
    );
    const answer = await fetch(harness.url);
    expect([answer.status, answer.statusText]).toEqual([299, "Quite Fine"]);
    expect(answer.headers.getSetCookie()).toEqual(["a=1", "b=2"]);
    expect(answer.headers.has("x-hop")).toBe(false);
    expect(await answer.text()).toBe("ok");
  });

  test("HEAD, 204 and 304 have no body, and HEAD keeps its length", async () => {
    await harness.add(
      "i-1",
      answering((request, response) => {
        if (request.method === "HEAD") response.writeHead(200, { "content-length": 1234 }).end();
        else response.writeHead(Number(request.url?.slice(1)), { etag: '"1"' }).end();
      }),
    );
    const head = await request(harness.url, { method: "HEAD" });
    expect(head.headers["content-length"]).toBe("1234");
    for (const status of [204, 304]) {
      const answer = await request(`${harness.url}/${status}`);
      expect([answer.statusCode, answer.headers.etag, await answer.body.text()]).toEqual([status, '"1"', ""]);
    }
  });

  test("streams both ways, however large", async () => {
    const bytes = 48 * 1024 * 1024;
    await harness.add(
      "i-1",
      answering((request, response) => void request.pipe(response)),
    );
    const chunk = Buffer.alloc(1024 * 1024, "x");
    async function* body() {
      for (let sent = 0; sent < bytes; sent += chunk.length) yield chunk;
    }
    const answer = await request(harness.url, { method: "POST", body: body() as never });
    let received = 0;
    for await (const part of answer.body) received += part.length;
    expect(received).toBe(bytes);
  });

  test("takes no more from either side than the other one reads", async () => {
    const bytes = 200 * 1024 * 1024;
    const chunk = Buffer.alloc(64 * 1024, "x");
    let written = 0;
    let uploading: IncomingMessage | undefined;
    const target = answering((request, response) => {
      if (request.method === "POST") {
        uploading = request;
        return;
      }
      const write = () => {
        while (written < bytes) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once("drain", write);
        }
        response.end();
      };
      write();
    });
    await harness.add("i-1", target);
    const stalls = async (count: () => number) => {
      const seen: number[] = [0];
      await expect
        .poll(() => seen.push(count()) && seen.slice(-2), { interval: 150, timeout: 10_000 })
        .toSatisfy(([before, now]: number[]) => before === now && now! > 0);
    };

    const down = await request(harness.url);
    await stalls(() => written);
    expect(written).toBeLessThan(bytes / 4);
    let received = 0;
    for await (const part of down.body) received += part.length;
    expect(received).toBe(bytes);

    const up = connect(harness.port, "127.0.0.1");
    up.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
    const send = () => {
      while (up.bytesWritten < bytes) if (!up.write(chunk)) return void up.once("drain", send);
    };
    send();
    await expect.poll(() => uploading).toBeDefined();
    await stalls(() => up.bytesWritten - up.writableLength);
    expect(up.bytesWritten - up.writableLength).toBeLessThan(bytes / 4);
    up.destroy();
    // Nobody reads there, so nobody would notice.
    uploading?.destroy();
  });

  test.each(["GET", "POST"])("a client that goes away ends its %s at the instance", async (method) => {
    let arrived: IncomingMessage | undefined;
    const target = answering((request) => {
      arrived = request.resume();
    });
    await harness.add("i-1", target);
    const socket = connect(harness.port, "127.0.0.1");
    const length = method === "GET" ? 0 : 1_000_000;
    socket.write(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`);
    if (length > 0) socket.write("the first bytes");
    await expect.poll(() => arrived).toBeDefined();
    socket.destroy();
    await expect.poll(() => arrived?.socket.destroyed).toBe(true);
  });

  test("a chunk arrives before the next one is sent, in both directions", async () => {
    await harness.add(
      "i-1",
      answering((request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
        request.on("data", (chunk) => response.write(`echo ${chunk}`)).on("end", () => response.end());
      }),
    );
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const answered = fetch(harness.url, { method: "POST", body: readable, duplex: "half" } as RequestInit);
    await writer.write(new TextEncoder().encode("one"));
    const reader = (await answered).body!.pipeThrough(new TextDecoderStream()).getReader();
    expect((await reader.read()).value).toBe("echo one");
    for (const word of ["two", "three"]) {
      await writer.write(new TextEncoder().encode(word));
      expect((await reader.read()).value).toBe(`echo ${word}`);
    }
    await writer.close();
    expect((await reader.read()).done).toBe(true);
  });

  test("an absolute URL becomes a path, and a body of any method goes along", async () => {
    await harness.add(
      "i-1",
      answering(async (request, response) => {
        response.end(JSON.stringify([request.method, request.url, await text(request)]));
      }),
    );
    const socket = connect(harness.port, "127.0.0.1");
    socket.write(
      "DELETE http://acme.localhost/a?b=1 HTTP/1.1\r\nHost: acme.localhost\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
    );
    expect((await text(socket)).split("\r\n\r\n")[1]).toBe('["DELETE","/a?b=1","abc"]');
    for (const method of ["PROPFIND", "PATCH", "OPTIONS", "GET"]) {
      const answer = await request(`${harness.url}/p`, { method: method as "GET", body: "xyz" });
      expect(await answer.body.json()).toEqual([method, "/p", "xyz"]);
    }
  });

  test("passes a WebSocket through, and a refusal of one", async () => {
    const target = answering((_, response) => void response.writeHead(200).end("plain"));
    target.on("upgrade", (request, socket, head) => {
      if (request.url === "/no")
        return void socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
      socket.write(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Seen: 1\r\n\r\n",
      );
      socket.on("error", () => {}).pipe(socket);
      if (head.length > 0) socket.write(head);
    });
    await harness.add("i-1", target);
    const open = (path: string) => {
      const socket = connect(harness.port, "127.0.0.1");
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: acme.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
      );
      return socket;
    };
    const socket = open("/yes");
    let seen = "";
    socket.on("data", (chunk) => {
      seen += chunk;
    });
    await expect.poll(() => seen).toContain("\r\n\r\n");
    expect(seen).toMatch(/^HTTP\/1.1 101 .*x-seen: 1/s);
    socket.write("hello");
    await expect.poll(() => seen).toMatch(/\r\n\r\nhello$/);
    socket.destroy();
    const refused = await text(open("/no"));
    expect(refused).toMatch(/^HTTP\/1.1 403 .*no$/s);
    // Any other upgrade is an ordinary request.
    const answer = await request(harness.url, { headers: host });
    expect(await answer.body.text()).toBe("plain");
  });
});
