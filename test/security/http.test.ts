import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createEdge, type Edge } from "../../src/embedded/edge.ts";
import { createSystemClock, createSystemRandom } from "../../src/node/clock.ts";
import { startTestBalancer, type TestBalancer } from "../support/balancer.ts";

let balancer: TestBalancer;
let instance: Server;
let edge: Edge;
const ports: Record<string, number> = {};
/** What reached the instance: method, target and Host. */
const reached: string[] = [];

beforeAll(async () => {
  instance = createServer({ requireHostHeader: false }, async (request, response) => {
    if (request.url === "/_rowhouse/health") return void response.end("{}");
    reached.push(`${request.method} ${request.url} ${request.headers.host}`);
    await text(request).catch(() => "");
    if (request.url !== "/never") response.end("instance");
  });
  await new Promise<void>((resolve) => instance.listen(0, "127.0.0.1", resolve));
  balancer = await startTestBalancer();
  const address = `127.0.0.1:${(instance.address() as AddressInfo).port}`;
  await balancer.balancer.register({ id: "i-1", address, zone: "a" });
  await vi.waitFor(async () => expect((await balancer.balancer.targets())[0]?.state).toBe("healthy"));
  edge = createEdge({
    ...{ host: "127.0.0.1", port: 0, domains: ["localhost"], internalToken: balancer.internalToken },
    ...{ clock: createSystemClock(), random: createSystemRandom() },
    lookupRegion: (slug) => (slug === "acme" ? { region: "test-1", balancerUrl: balancer.url } : undefined),
    apex: () => new Response("apex"),
  });
  ports.balancer = balancer.port;
  ports.edge = await edge.listen();
});
afterAll(async () => {
  instance.close().closeAllConnections();
  await balancer?.dispose();
  await edge?.close(0);
});
beforeEach(() => {
  reached.length = 0;
});

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly problem: { code?: string; detail?: string; remedy?: string };
}

/** Sends the bytes as they are and reads until the server closes. */
async function send(port: number, bytes: string | Buffer): Promise<Answer> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(bytes);
  let answer = "";
  for await (const chunk of socket.setEncoding("latin1")) answer += chunk;
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  const isProblem = head.includes("application/problem+json");
  return { status: Number(head.split(" ")[1]), text: answer, problem: isProblem ? JSON.parse(body) : {} };
}

function get(target: string, ...headers: string[]): string {
  return [`GET ${target} HTTP/1.1`, ...headers, "Connection: close", "", ""].join("\r\n");
}

const host = "Host: acme.localhost";
const explained = {
  code: expect.any(String),
  detail: expect.stringMatching(/\.$/),
  remedy: expect.stringMatching(/\.$/),
};

describe.each(["balancer", "edge"])("the %s", (name) => {
  const port = () => ports[name]!;

  test("serves an honest request", async () => {
    expect(await send(port(), get("/ok", host))).toMatchObject({ status: 200 });
    expect(reached).toEqual(["GET /ok acme.localhost"]);
  });

  test.each([
    ["no Host", get("/")],
    ["an HTTP/1.0 request without one", "GET / HTTP/1.0\r\n\r\n"],
    ["a request line of HTTP/0.9", "GET /\r\n\r\n"],
    ["two Hosts", get("/", host, host)],
    [
      "two Hosts that differ, the second behind 3000 headers",
      get("/", host, ...Array(3000).fill("a:"), "Host: b.localhost"),
    ],
    ["an empty Host", get("/", "Host:")],
    ["a Host with a space", get("/", "Host: acme .localhost")],
    ["a Host with user information", get("/", "Host: x@acme.localhost")],
    ["a Host list", get("/", "Host: acme.localhost, b.localhost")],
    ["a Host with a path", get("/", "Host: acme.localhost/b")],
    ["a Host with a port that is none", get("/", "Host: acme.localhost:http")],
  ])("refuses %s", async (_, bytes) => {
    const answer = await send(port(), bytes);
    expect(answer).toMatchObject({ status: 400, problem: { ...explained, code: "E_HOST_INVALID" } });
    expect(reached).toEqual([]);
  });

  test("takes an absolute URL that agrees with the Host as its path, and refuses one that does not", async () => {
    expect(await send(port(), get("http://ACME.localhost:80/a?b", host))).toMatchObject({ status: 200 });
    expect(reached).toEqual(["GET /a?b acme.localhost"]);
    for (const target of ["http://other.localhost/", "ftp://acme.localhost/", "*", "acme.localhost:80"]) {
      const answer = await send(port(), get(target, host));
      expect(answer).toMatchObject({ status: 400, problem: explained });
    }
    expect(reached.length).toBe(1);
  });

  test("answers headers of 64 kB with 431, readable to the end", async () => {
    const answer = await send(port(), get("/", host, `Cookie: ${"x".repeat(65_536)}`));
    expect(answer).toMatchObject({ status: 431, problem: { ...explained, code: "E_HEADERS_TOO_LARGE" } });
    const many = await send(port(), get("/", host, ...Array(5000).fill("x-filler: 1")));
    expect(many.status).toBe(431);
    expect(reached).toEqual([]);
  });

  const smuggled = "GET /smuggled HTTP/1.1\r\nHost: acme.localhost\r\n\r\n";
  const post = (...headers: string[]) => ["POST /first HTTP/1.1", host, ...headers, "", ""].join("\r\n");
  test.each<[string, string]>([
    [
      "both Content-Length and Transfer-Encoding",
      `${post("Content-Length: 4", "Transfer-Encoding: chunked")}0\r\n\r\n${smuggled}`,
    ],
    [
      "the same the other way round",
      `${post("Transfer-Encoding: chunked", "Content-Length: 4")}0\r\n\r\n${smuggled}`,
    ],
    ["two Content-Lengths", `${post("Content-Length: 0", "Content-Length: 44")}${smuggled}`],
    ["two equal Content-Lengths", `${post("Content-Length: 1", "Content-Length: 1")}x${smuggled}`],
    ["a Content-Length list", `${post("Content-Length: 0, 44")}${smuggled}`],
    ["a signed Content-Length", `${post("Content-Length: +0")}${smuggled}`],
    ["a negative Content-Length", `${post("Content-Length: -1")}${smuggled}`],
    ["a Content-Length beyond all numbers", `${post("Content-Length: 99999999999999999999999")}${smuggled}`],
    ["an unknown transfer coding", `${post("Transfer-Encoding: xchunked")}0\r\n\r\n${smuggled}`],
    ["chunked before another coding", `${post("Transfer-Encoding: chunked, identity")}0\r\n\r\n${smuggled}`],
    [
      "two Transfer-Encodings",
      `${post("Transfer-Encoding: chunked", "Transfer-Encoding: cow")}0\r\n\r\n${smuggled}`,
    ],
    ["a space before the colon", `${post("Content-Length : 44")}${smuggled}`],
    ["a folded header", `${post("X-A: 1", " Transfer-Encoding: chunked")}0\r\n\r\n${smuggled}`],
    [
      "bare LF between headers",
      `POST /first HTTP/1.1\nHost: acme.localhost\nContent-Length: 0\n\n${smuggled}`,
    ],
    ["a bare CR in a header", `${post("X-A: 1\rContent-Length: 44")}${smuggled}`],
    ["a NUL in a header", `${post("X-A: 1\0")}${smuggled}`],
    ["a chunk size that is none", `${post("Transfer-Encoding: chunked")}zz\r\n\r\n${smuggled}`],
    ["a chunk longer than it says", `${post("Transfer-Encoding: chunked")}1\r\nabc\r\n0\r\n\r\n${smuggled}`],
    ["a chunk size in another base", `${post("Transfer-Encoding: chunked")}0x1\r\na\r\n0\r\n\r\n${smuggled}`],
    ["the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a TLS hello", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["a method that HTTP has not", "STEAL / HTTP/1.1\r\nHost: acme.localhost\r\n\r\n"],
  ])("refuses %s", async (_, bytes) => {
    const answer = await send(port(), Buffer.from(bytes, "latin1"));
    expect(answer).toMatchObject({ status: 400, problem: { ...explained, code: "E_REQUEST_MALFORMED" } });
    expect(reached.filter((line) => line.includes("smuggled"))).toEqual([]);
  });

  test("a malformed request behind an honest one gets no answer that could be taken for the first one's", async () => {
    const { text: answer } = await send(port(), `GET /never HTTP/1.1\r\n${host}\r\n\r\nGARBAGE\r\n\r\n`);
    expect(answer).toBe("");
  });

  test("serves neither CONNECT nor TRACE", async () => {
    for (const line of ["CONNECT acme.localhost:80", "TRACE /"]) {
      const answer = await send(port(), `${line} HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`);
      expect(answer).toMatchObject({ status: 405, problem: { ...explained, code: "E_METHOD_REFUSED" } });
      expect(answer.text).toMatch(/\r\nallow: GET, /i);
    }
    expect(reached).toEqual([]);
  });

  test("lets nobody reach what is the platform's own", async () => {
    const token = `Authorization: Bearer ${balancer.internalToken}`;
    for (const path of [
      "/_rowhouse/internal/seed",
      "/_rowhouse/internal",
      "/x/../_rowhouse/internal/seed",
      "/_rowhouse/%69nternal/seed",
      "/_rowhouse/%2569nternal/seed",
      "//_rowhouse/internal/seed",
      "/_ROWHOUSE/internal/seed",
      "/_rowhouse\\internal\\seed",
      "http://acme.localhost/_rowhouse/internal/seed",
    ]) {
      const answer = await send(port(), get(path, host, token));
      expect([path, answer.status, answer.problem.code]).toEqual([path, 404, "E_NOT_FOUND"]);
    }
    expect((await send(port(), get("/_rowhouse/balancer/targets", host))).status).toBe(404);
    expect(reached).toEqual([]);
  });

  test("ends slow clients: silent ones, trickled headers, bodies that stall or trickle", {
    timeout: 40_000,
  }, async () => {
    const slow = (opening: string, drop: string) => {
      const socket = connect(port(), "127.0.0.1");
      socket.on("error", () => {});
      socket.write(opening);
      const timer = setInterval(() => socket.writable && drop !== "" && socket.write(drop), 400);
      return text(socket).finally(() => clearInterval(timer));
    };
    const answers = await Promise.all([
      slow(`GET / HTTP/1.1\r\n${host}\r\n`, "x-a: 1\r\n"),
      slow(`GET / HTTP/1.1\r\n${host}\r\nx-a: `, ""),
      slow(post("Content-Length: 1000000"), ""),
      slow(post("Content-Length: 1000000"), "x"),
      slow(post("Content-Length: 100"), "x".repeat(1)),
      slow(post("Transfer-Encoding: chunked"), "1\r\nx\r\n"),
    ]);
    for (const answer of answers) {
      expect(answer).toMatch(/^HTTP\/1\.1 408 /);
      expect(JSON.parse(answer.split("\r\n\r\n")[1]!)).toMatchObject({
        ...explained,
        code: "E_REQUEST_TIMEOUT",
      });
    }
  });

  test("still serves after all that", async () => {
    expect(await send(port(), get("/ok", host))).toMatchObject({ status: 200 });
  });
});
