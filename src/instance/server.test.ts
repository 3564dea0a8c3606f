import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, type AskOptions, ask as askAt } from "../../test/support/ask.ts";
import { createTestRegion, type TestRegion } from "../../test/support/region.ts";
import { type Application, defineApp } from "./application.ts";
import { currentTenant, withTenant } from "./context.ts";
import { type RunningInstance, startInstance } from "./server.ts";
import type { Tenant } from "./tenant.ts";

let region: TestRegion;
let instance: RunningInstance;
const log: string[] = [];
const token = "internal-token";

async function start(application: Application): Promise<RunningInstance> {
  return startInstance({
    application,
    platform: region.platform,
    regionPool: region.control.pool,
    regionConnection: region.connection,
    config: region.config,
    identity: { instanceId: "i-1", zone: "a", region: "eu-west-1", release: "r1" },
    listen: { host: "127.0.0.1", port: 0 },
    internalToken: token,
    objectsHandler: region.objectsHandler,
    logSink: (line) => log.push(line),
  });
}

function ask(
  host: string | undefined,
  path = "/",
  options: AskOptions & { at?: RunningInstance } = {},
): Promise<Answer> {
  return askAt((options.at ?? instance).address, host, path, options);
}

async function exchange(bytes: string, at = instance): Promise<string> {
  const [host, port] = at.address.split(":");
  const socket = connectSocket(Number(port), host);
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  socket.write(bytes);
  await once(socket, "close");
  return answer;
}

const seeded: string[] = [];
const app = defineApp({
  name: "test",
  fetch: async (request, tenant) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/fail") throw new Error("secret detail");
    if (pathname.startsWith("/cut")) {
      const work = tenant.db.transaction((client) =>
        client.query("SELECT pg_terminate_backend(pg_backend_pid())"),
      );
      await work.catch((cause: unknown) => {
        throw pathname === "/cut-and-wrapped" ? new Error("No books today", { cause }) : cause;
      });
    }
    if (pathname === "/nothing") return undefined as never;
    if (pathname === "/echo")
      return new Response(await request.text(), { status: 201, headers: { "x-own": "1" } });
    const { rows } = await tenant.db.query<{ title: string }>("SELECT title FROM books ORDER BY id LIMIT 1");
    return Response.json({ slug: currentTenant().slug, title: rows[0]?.title, url: request.url });
  },
  seed: async (tenant) => {
    await tenant.db.query("INSERT INTO books (title) VALUES ('seeded')");
    seeded.push(currentTenant().slug);
  },
});

beforeAll(async () => {
  region = await createTestRegion();
  await region.addTenant({ slug: "acme" });
  await region.addTenant({ slug: "dense", plan: "dense" });
  await region.addTenant({ slug: "paused", state: "suspended" });
  await region.addTenant({ slug: "gone", state: "closed" });
  await region.addTenant({ slug: "going", state: "closing" });
  await region.addTenant({ slug: "coming", state: "provisioning" });
  await region.addTenant({ slug: "broken", state: "failed" });
  await region.addTenant({ slug: "abroad", region: "us-east-1" });
  await region.addTenant({ slug: "limited", plan: "limited" });
  instance = await start(app);
});

afterAll(async () => {
  await instance?.stop(0);
  await region?.dispose();
});

describe("a request", () => {
  it.each(["acme.localhost", "ACME.bookshop.example:8080", "acme.localhost."])(
    "to %s reaches the tenant",
    async (host) => {
      const answer = await ask(host, "/x?y=1");
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body)).toMatchObject({ slug: "acme", title: "acme" });
      expect(answer.headers).toMatchObject({
        "x-rowhouse-region": "eu-west-1",
        "x-rowhouse-instance": "i-1",
        "x-rowhouse-release": "r1",
      });
    },
  );

  it("reaches a tenant over a shared login", async () => {
    expect(JSON.parse((await ask("dense.localhost")).body)).toMatchObject({ slug: "dense", title: "dense" });
  });

  it("carries its body there and an answer's headers back", async () => {
    const answer = await ask("acme.localhost", "/echo", { method: "POST", body: "hello" });
    expect(answer).toMatchObject({
      status: 201,
      body: "hello",
      headers: { "x-own": "1", "x-rowhouse-instance": "i-1" },
    });
  });

  it("finds a tenant that was activated a moment ago", async () => {
    await region.addTenant({ slug: "fresh" });
    expect((await ask("fresh.localhost")).status).toBe(200);
  });

  it("with an absolute URL sees the path alone", async () => {
    const answer = await ask("acme.localhost", "http://ACME.localhost/x?y=1");
    expect(JSON.parse(answer.body).url).toBe("http://acme.localhost/x?y=1");
    expect((await ask("acme.localhost", "http://dense.localhost/")).status).toBe(400);
  });

  it.each([
    ["localhost", 404],
    ["bookshop.example", 404],
    ["127.0.0.1", 404],
    ["[::1]", 404],
    ["a.acme.localhost", 404],
    ["www.localhost", 404],
    ["acme.evil.test", 404],
    ["acm.localhost", 404],
    ["coming.localhost", 404],
    ["broken.localhost", 404],
    ["paused.localhost", 403],
    ["gone.localhost", 410],
    ["going.localhost", 410],
    ["abroad.localhost", 421],
    ["a b", 400],
    ["", 400],
  ])("to %j is answered %i", async (host, status) => {
    const answer = await ask(host);
    expect(answer.status).toBe(status);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(answer.body)).toMatchObject({
      status,
      code: expect.stringMatching(/^E_/),
      remedy: expect.any(String),
    });
  });

  it("without a Host, or with two, is malformed", async () => {
    expect((await ask(undefined)).status).toBe(400);
    const two =
      "GET / HTTP/1.1\r\nHost: acme.localhost\r\nHost: dense.localhost\r\nConnection: close\r\n\r\n";
    expect(await exchange(two)).toMatch(/^HTTP\/1.1 400 /);
  });

  it("to a name that is no tenant is answered with the same words, whatever the name", async () => {
    const hosts = [
      "localhost",
      "127.0.0.1",
      "acm.localhost",
      "coming.localhost",
      "broken.localhost",
      "x.y.localhost",
    ];
    const pages = await Promise.all(
      hosts.map((host) => ask(host, "/", { headers: { accept: "text/html" } })),
    );
    expect(new Set(pages.map(({ body }) => body)).size).toBe(1);
    expect(pages[0]!.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(pages[0]!.body).toContain("<h1>There is nothing here</h1>");
  });

  it("for another region's tenant names the right address, and opens nothing", async () => {
    const answer = await ask("abroad.localhost", "/books?x=1");
    expect(JSON.parse(answer.body)).toMatchObject({
      code: "E_WRONG_REGION",
      region: "us-east-1",
      location: "https://abroad.bookshop.example/books?x=1",
    });
    expect(answer.headers).toMatchObject({
      location: "https://abroad.bookshop.example/books?x=1",
      "x-rowhouse-region": "eu-west-1",
    });
    await expect(instance.runtime.run("abroad", () => {})).rejects.toMatchObject({ code: "E_WRONG_REGION" });
    await expect(instance.runtime.runInAnyState("abroad", () => {})).rejects.toMatchObject({
      code: "E_WRONG_REGION",
    });
  });

  it.each(["/cut", "/cut-and-wrapped"])(
    "whose database goes away under a query may be repeated: %s",
    async (path) => {
      expect(await ask("acme.localhost", path)).toMatchObject({
        status: 503,
        body: expect.stringContaining("E_DATABASE_UNAVAILABLE"),
      });
    },
  );

  it("that fails in the application tells the log, and not the visitor, why", async () => {
    const answer = await ask("acme.localhost", "/fail");
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain("secret detail");
    const line = JSON.parse(log.findLast((entry) => entry.includes("secret detail"))!);
    expect(line).toMatchObject({
      level: "error",
      tenant: "acme",
      instance: "i-1",
      message: "request failed",
    });
    expect((await ask("acme.localhost", "/nothing")).status).toBe(500);
  });

  it("over the plan's rate is told when to come again", async () => {
    // A minute's worth of 2 a second may come at once.
    const answers = await Promise.all(Array.from({ length: 140 }, () => ask("limited.localhost", "/echo")));
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(120);
    expect(refused[0]!.headers["retry-after"]).toBe("1");
    expect(JSON.parse(refused[0]!.body).code).toBe("E_RATE_LIMITED");
    expect((await ask("acme.localhost")).status).toBe(200);
  });
});

describe("the state of a tenant", () => {
  it("takes effect at once", async () => {
    await region.addTenant({ slug: "changing" });
    expect((await ask("changing.localhost")).status).toBe(200);
    await region.setState("changing", "suspended");
    await expect.poll(async () => (await ask("changing.localhost")).status).toBe(403);
    await region.setState("changing", "active");
    await expect.poll(async () => (await ask("changing.localhost")).status).toBe(200);
    await region.control.pool.query("UPDATE profiles SET name = 'Renamed' WHERE slug = 'changing'");
    await expect.poll(async () => (await instance.runtime.resolve("changing")).name).toBe("Renamed");
  });

  it("makes requests wait while it moves", async () => {
    await region.addTenant({ slug: "mover", state: "moving" });
    const waiting = ask("mover.localhost");
    const early = await Promise.race([waiting, sleep(200, "still waiting")]);
    expect(early).toBe("still waiting");
    await region.setState("mover", "active");
    expect((await waiting).status).toBe(200);
  });
});

describe("paths of the platform", () => {
  it.each(["127.0.0.1", "acme.localhost", "paused.localhost", "localhost"])(
    "answer a health check on %s",
    async (host) => {
      const answer = await ask(host, "/_rowhouse/health");
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body)).toMatchObject({
        status: "ok",
        instance: "i-1",
        zone: "a",
        release: "r1",
        region: "eu-west-1",
      });
    },
  );

  it("never reach the application", async () => {
    expect((await ask("acme.localhost", "/_rowhouse/other")).status).toBe(404);
  });

  it("serve a file by its signed URL, and not without", async () => {
    const url = await instance.runtime.run("acme", async (tenant) => {
      await tenant.files.put("covers/1.txt", "a cover");
      return tenant.files.url("covers/1.txt");
    });
    expect(await ask("acme.localhost", url)).toMatchObject({ status: 200, body: "a cover" });
    expect((await ask("acme.localhost", url.replace(/\?.*/, ""))).status).toBeGreaterThanOrEqual(400);
    expect((await ask("paused.localhost", url)).status).toBe(403);
  });

  it("seed a tenant that is still being made, for the platform alone", async () => {
    const options = { method: "POST", body: JSON.stringify({ slug: "coming" }) };
    const path = "/_rowhouse/internal/seed";
    for (const authorization of ["", "Bearer", "Bearer wrong", `Basic ${token}`]) {
      expect((await ask("127.0.0.1", path, { ...options, headers: { authorization } })).status).toBe(401);
    }
    const headers = { authorization: `Bearer ${token}` };
    expect((await ask("127.0.0.1", path, { ...options, headers })).status).toBe(200);
    expect(seeded).toEqual(["coming"]);
    expect((await ask("127.0.0.1", path, { ...options, body: '{"slug":"nobody"}', headers })).status).toBe(
      404,
    );
    expect((await ask("127.0.0.1", path, { ...options, body: "no json", headers })).status).toBe(400);
    expect((await ask("127.0.0.1", "/_rowhouse/internal/other", { ...options, headers })).status).toBe(404);
    const fromOutside = { ...headers, "x-forwarded-for": "203.0.113.7" };
    expect((await ask("127.0.0.1", path, { ...options, headers: fromOutside })).status).toBe(404);
  });
});

describe("the server", () => {
  it("refuses headers of more than 16 kB", async () => {
    const answer = await ask("acme.localhost", "/", { headers: { "x-large": "x".repeat(17_000) } });
    expect(answer.status).toBe(431);
    expect(JSON.parse(answer.body).code).toBe("E_HEADERS_TOO_LARGE");
  });

  it("refuses what is not HTTP", async () => {
    expect(await exchange("NONSENSE\r\n\r\n")).toMatch(/^HTTP\/1.1 400 [\s\S]*E_ARGUMENT/);
  });

  it("closes a connection whose headers trickle", async () => {
    const [host, port] = instance.address.split(":");
    const socket = connectSocket(Number(port), host);
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.write("GET / HTTP/1.1\r\nHost: acme.localhost\r\n");
    const trickle = setInterval(() => socket.write("X-A: b\r\n"), 500);
    await once(socket, "close");
    clearInterval(trickle);
    expect(answer).toMatch(/^HTTP\/1.1 408 [\s\S]*E_REQUEST_TIMEOUT/);
  }, 20_000);

  it("says so when its port is taken", async () => {
    const port = Number(instance.address.split(":")[1]);
    const clash = startInstance({
      application: app,
      platform: region.platform,
      regionPool: region.control.pool,
      regionConnection: region.connection,
      config: region.config,
      identity: { instanceId: "i-2", zone: "a", region: "eu-west-1", release: "r1" },
      listen: { host: "127.0.0.1", port },
      internalToken: token,
    });
    await expect(clash).rejects.toMatchObject({ code: "E_PORT_IN_USE" });
  });

  it("lets requests finish when it stops, and takes no more", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const entered = Promise.withResolvers<void>();
    const stopping = await start(
      defineApp({
        name: "slow",
        node: async (_request, response, tenant) => {
          entered.resolve();
          await gate;
          const { rows } = await tenant.db.query("SELECT 1 AS n");
          response.end(JSON.stringify(rows));
        },
      }),
    );
    const last = ask("acme.localhost", "/", { at: stopping });
    await entered.promise;
    const stopped = stopping.stop(5_000);
    await expect(ask("acme.localhost", "/", { at: stopping })).rejects.toMatchObject({
      code: "ECONNREFUSED",
    });
    release();
    expect(await last).toMatchObject({ status: 200, body: '[{"n":1}]' });
    await stopped;
  });
});

describe("the current tenant", () => {
  it("is none outside of a request", () => {
    expect(() => currentTenant()).toThrow(expect.objectContaining({ code: "E_NO_TENANT" }));
  });

  it("is restored after withTenant, also when it throws", async () => {
    await instance.runtime.run("acme", async () => {
      await withTenant("dense", async (tenant) => {
        expect(tenant.slug).toBe("dense");
        expect(currentTenant()).toBe(tenant);
      });
      expect(currentTenant().slug).toBe("acme");
      await expect(
        withTenant("dense", () => {
          throw new Error("on purpose");
        }),
      ).rejects.toThrow("on purpose");
      expect(currentTenant().slug).toBe("acme");
      await expect(withTenant("nobody", () => {})).rejects.toMatchObject({ code: "E_TENANT_NOT_FOUND" });
      await expect(withTenant("paused", () => {})).rejects.toMatchObject({ code: "E_TENANT_SUSPENDED" });
    });
    expect(() => currentTenant()).toThrow(expect.objectContaining({ code: "E_NO_TENANT" }));
    expect(await withTenant("acme", (tenant: Tenant) => tenant.slug)).toBe("acme");
  });
});
