import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InstanceTest } from "../../test/support/instance.ts";

let test: InstanceTest;
beforeAll(async () => {
  test = await InstanceTest.create();
});
afterAll(() => test?.dispose());

describe("a request", () => {
  it.each(["acme.localhost", "ACME.bookshop.example:8080", "acme.localhost."])(
    "to %s reaches the tenant",
    async (host) => {
      const answer = await test.ask(host, "/x?y=1");
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
    expect(JSON.parse((await test.ask("dense.localhost")).body)).toMatchObject({
      slug: "dense",
      title: "dense",
    });
  });

  it("carries its body there and an answer's headers back", async () => {
    const answer = await test.ask("acme.localhost", "/echo", { method: "POST", body: "hello" });
    expect(answer).toMatchObject({
      status: 201,
      body: "hello",
      headers: { "x-own": "1", "x-rowhouse-instance": "i-1" },
    });
  });

  it("finds a tenant that was activated a moment ago", async () => {
    await test.region.addTenant({ slug: "fresh" });
    expect((await test.ask("fresh.localhost")).status).toBe(200);
  });

  it("with an absolute URL sees the path alone", async () => {
    const answer = await test.ask("acme.localhost", "http://ACME.localhost/x?y=1");
    expect(JSON.parse(answer.body).url).toBe("http://acme.localhost/x?y=1");
    expect((await test.ask("acme.localhost", "http://dense.localhost/")).status).toBe(400);
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
    const answer = await test.ask(host);
    expect(answer.status).toBe(status);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(answer.body)).toMatchObject({
      status,
      code: expect.stringMatching(/^E_/),
      remedy: expect.any(String),
    });
  });

  it("without a Host, or with two, is malformed", async () => {
    expect((await test.ask(undefined)).status).toBe(400);
    const two =
      "GET / HTTP/1.1\r\nHost: acme.localhost\r\nHost: dense.localhost\r\nConnection: close\r\n\r\n";
    expect(await test.exchange(two)).toMatch(/^HTTP\/1.1 400 /);
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
      hosts.map((host) => test.ask(host, "/", { headers: { accept: "text/html" } })),
    );
    expect(new Set(pages.map(({ body }) => body)).size).toBe(1);
    expect(pages[0]!.headers["content-type"]).toBe("text/html; charset=utf-8");
    expect(pages[0]!.body).toContain("<h1>There is nothing here</h1>");
  });

  it("for another region's tenant names the right address, and opens nothing", async () => {
    const answer = await test.ask("abroad.localhost", "/books?x=1");
    expect(JSON.parse(answer.body)).toMatchObject({
      code: "E_WRONG_REGION",
      region: "us-east-1",
      location: "https://abroad.bookshop.example/books?x=1",
    });
    expect(answer.headers).toMatchObject({
      location: "https://abroad.bookshop.example/books?x=1",
      "x-rowhouse-region": "eu-west-1",
    });
    await expect(test.instance.runtime.run("abroad", () => {})).rejects.toMatchObject({
      code: "E_WRONG_REGION",
    });
    await expect(test.instance.runtime.runInAnyState("abroad", () => {})).rejects.toMatchObject({
      code: "E_WRONG_REGION",
    });
  });

  it.each(["/cut", "/cut-and-wrapped"])(
    "whose database goes away under a query may be repeated: %s",
    async (path) => {
      expect(await test.ask("acme.localhost", path)).toMatchObject({
        status: 503,
        body: expect.stringContaining("E_DATABASE_UNAVAILABLE"),
      });
    },
  );

  it("that fails in the application tells the log, and not the visitor, why", async () => {
    const answer = await test.ask("acme.localhost", "/fail");
    expect(answer.status).toBe(500);
    expect(answer.body).not.toContain("secret detail");
    const line = JSON.parse(test.log.findLast((entry) => entry.includes("secret detail"))!);
    expect(line).toMatchObject({
      level: "error",
      tenant: "acme",
      instance: "i-1",
      message: "request failed",
    });
    expect((await test.ask("acme.localhost", "/nothing")).status).toBe(500);
  });

  it("over the plan's rate is told when to come again", async () => {
    // A minute's worth of 2 a second may come at once.
    const answers = await Promise.all(
      Array.from({ length: 140 }, () => test.ask("limited.localhost", "/echo")),
    );
    const refused = answers.filter(({ status }) => status === 429);
    expect(refused.length).toBeGreaterThan(0);
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(120);
    expect(refused[0]!.headers["retry-after"]).toBe("1");
    expect(JSON.parse(refused[0]!.body).code).toBe("E_RATE_LIMITED");
    expect((await test.ask("acme.localhost")).status).toBe(200);
  });
});

describe("the state of a tenant", () => {
  it("takes effect at once", async () => {
    await test.region.addTenant({ slug: "changing" });
    expect((await test.ask("changing.localhost")).status).toBe(200);
    await test.region.setState("changing", "suspended");
    await expect.poll(async () => (await test.ask("changing.localhost")).status).toBe(403);
    await test.region.setState("changing", "active");
    await expect.poll(async () => (await test.ask("changing.localhost")).status).toBe(200);
    await test.region.control.pool.query("UPDATE profiles SET name = 'Renamed' WHERE slug = 'changing'");
    await expect.poll(async () => (await test.instance.runtime.resolve("changing")).name).toBe("Renamed");
  });

  it("makes requests wait while it moves", async () => {
    await test.region.addTenant({ slug: "mover", state: "moving" });
    const waiting = test.ask("mover.localhost");
    const early = await Promise.race([waiting, sleep(200, "still waiting")]);
    expect(early).toBe("still waiting");
    await test.region.setState("mover", "active");
    expect((await waiting).status).toBe(200);
  });
});
