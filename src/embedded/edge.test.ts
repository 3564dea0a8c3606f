import { createServer, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { request } from "undici";
import { afterEach, beforeEach, expect, test } from "vitest";
import { answering, BalancerHarness } from "../../test/support/balancer-harness.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { fault } from "../core/error.ts";
import { createSystemClock, createSystemRandom } from "../node/clock.ts";
import { createEdge, type Edge, type EdgeRoute } from "./edge.ts";

const balancer = new BalancerHarness();
let edge: Edge;
let url: string;
let routes: Record<string, EdgeRoute>;
let lookups: string[];

beforeEach(async () => {
  await balancer.start();
  routes = { acme: { region: "eu-west-1", balancerUrl: balancer.url } };
  lookups = [];
  edge = createEdge({
    ...{ host: "127.0.0.1", port: 0, domains: ["localhost", "bookshop.example"] },
    ...{ clock: createSystemClock(), random: createSystemRandom(), internalToken: balancer.internalToken },
    lookupRegion: async (slug) => {
      lookups.push(slug);
      if (slug === "broken") throw fault("E_DATABASE_UNAVAILABLE");
      return routes[slug];
    },
    apex: async (incoming) => {
      const { pathname, hostname } = new URL(incoming.url);
      return new Response(`${incoming.method} ${hostname} ${pathname} ${await incoming.text()}`);
    },
  });
  url = `http://127.0.0.1:${await edge.listen()}`;
});
afterEach(async () => {
  await edge.close(0);
  await balancer.dispose();
});

const ask = (host: string, path = "/", accept = "*/*") =>
  request(`${url}${path}`, { headers: { host, accept } });

test.each(["localhost", "LOCALHOST:8080", "bookshop.example"])("serves the apex %s itself", async (host) => {
  const answer = await request(`${url}/console?x`, { method: "POST", headers: { host }, body: "form" });
  const name = host.toLowerCase().replace(/:.*/, "");
  expect([answer.statusCode, await answer.body.text()]).toEqual([200, `POST ${name} /console form`]);
  expect(lookups).toEqual([]);
});

test("passes a tenant's requests to the balancer of its region, and says who asks", async () => {
  await balancer.add(
    "i-1",
    answering((incoming, response) => response.end(JSON.stringify(incoming.headers))),
  );
  const answer = await request(`${url}/books`, {
    headers: { host: "acme.localhost:8080", "x-forwarded-for": "6.6.6.6", "x-rowhouse-edge": "guess" },
  });
  expect(await answer.body.json()).toEqual({
    host: "acme.localhost:8080",
    connection: "keep-alive",
    "x-forwarded-for": "127.0.0.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": "acme.localhost:8080",
    "x-request-id": expect.any(String),
  });
  expect(lookups).toEqual(["acme"]);
});

test("follows a tenant that moves to another region", async () => {
  const other = createServer((_, response) => response.end("the other region"));
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  await balancer.add(
    "i-1",
    answering((_, response) => response.end("the first region")),
  );
  expect(await (await ask("acme.localhost")).body.text()).toBe("the first region");
  routes.acme = {
    region: "us-east-1",
    balancerUrl: `http://127.0.0.1:${(other.address() as AddressInfo).port}`,
  };
  expect(await (await ask("acme.localhost")).body.text()).toBe("the other region");
  other.close().closeAllConnections();
});

test("answers every host that is no tenant with the very same page", async () => {
  const strangers = [
    "nobody.localhost",
    "www.localhost",
    "a.acme.localhost",
    "127.0.0.1",
    "[::1]",
    "acme.evil.test",
  ];
  const pages = await Promise.all(
    strangers.map(async (host) => {
      const answer = await ask(host, "/", "text/html");
      const { date: _, ...headers } = answer.headers;
      return JSON.stringify([answer.statusCode, headers, await answer.body.text()]);
    }),
  );
  expect(new Set(pages).size).toBe(1);
  expect(JSON.parse(pages[0]!)).toMatchObject([
    404,
    { "content-type": "text/html; charset=utf-8" },
    expect.any(String),
  ]);
  expect(lookups).toEqual(["nobody"]);
});

test("says so when the directory or the region's balancer is away", async () => {
  const lost = await ask("broken.localhost");
  expect([lost.statusCode, await lost.body.json()]).toMatchObject([503, { code: "E_DATABASE_UNAVAILABLE" }]);
  routes.acme = { region: "eu-west-1", balancerUrl: `http://127.0.0.1:${await freePort()}` };
  const away = await ask("acme.localhost", "/", "text/html");
  expect([away.statusCode, away.headers["retry-after"]]).toEqual([503, "1"]);
  expect(await away.body.text()).toContain("E_REGION_UNAVAILABLE");
});

test("waits for a balancer that is being started again", async () => {
  const port = await freePort();
  routes.acme = { region: "eu-west-1", balancerUrl: `http://127.0.0.1:${port}` };
  const waiting = request(url, { method: "POST", headers: { host: "acme.localhost" }, body: "kept" });
  const late: Server = createServer(async (incoming, response) => response.end(await text(incoming)));
  await new Promise<void>((resolve) => late.listen(port, "127.0.0.1", resolve));
  expect(await (await waiting).body.text()).toBe("kept");
  late.close().closeAllConnections();
});

test("an answer that breaks off behind the balancer breaks off here", async () => {
  await balancer.add(
    "i-1",
    answering((_, response) => {
      response.writeHead(200, { "content-length": 10 }).write("half");
      setTimeout(() => response.destroy(), 20);
    }),
  );
  const answer = await ask("acme.localhost");
  await expect(answer.body.text()).rejects.toThrow();
});

test("passes WebSockets to tenants, and none to the apex", async () => {
  const target = answering(() => {});
  target.on("upgrade", (_, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    socket.on("error", () => {}).pipe(socket);
  });
  await balancer.add("i-1", target);
  const open = (host: string) => {
    const socket = connect(Number(new URL(url).port), "127.0.0.1");
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    return socket;
  };
  const socket = open("acme.localhost");
  let seen = "";
  socket.on("data", (chunk) => {
    seen += chunk;
  });
  await expect.poll(() => seen).toContain("\r\n\r\n");
  socket.write("hello");
  await expect.poll(() => seen).toMatch(/^HTTP\/1\.1 101 .*hello$/s);
  socket.destroy();
  expect(await text(open("localhost"))).toMatch(/^HTTP\/1\.1 404 /);
});
