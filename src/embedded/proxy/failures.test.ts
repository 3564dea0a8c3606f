import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { request } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answering, BalancerHarness, rawTarget } from "../../../test/support/balancer-harness.ts";
import { freePort } from "../../../test/support/postgres-server.ts";

const harness = new BalancerHarness();
beforeEach(() => harness.start());
afterEach(() => harness.dispose());

describe("when a target fails", () => {
  test("an answer that breaks off half-way breaks off towards the client as well", async () => {
    const heads = ["content-length: 100", "transfer-encoding: chunked"];
    for (const [i, head] of heads.entries()) {
      const part = i === 0 ? "half" : "4\r\nhalf\r\n";
      await harness.add(
        `i-${i}`,
        rawTarget((socket) => {
          socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${part}`);
          setTimeout(() => socket.destroy(), 30);
        }),
      );
      const answer = await request(harness.url);
      expect(answer.statusCode).toBe(200);
      await expect(answer.body.text()).rejects.toThrow();
      await harness.administer("DELETE", `/i-${i}?drainSeconds=0`);
    }
  });

  test("repeats what is idempotent elsewhere, and a POST never once it was sent", async () => {
    let broken = 0;
    await harness.add(
      "i-bad",
      rawTarget((socket) => {
        broken++;
        socket.destroy();
      }),
    );
    await harness.add(
      "i-good",
      answering(async (request, response) => response.end(await text(request))),
      "b",
    );
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) {
      for (const method of ["GET", "PUT", "DELETE"] as const) {
        const answer = await request(harness.url, { method, body: method === "PUT" ? "kept" : null });
        expect(await answer.body.text()).toBe(method === "PUT" ? "kept" : "");
        statuses.push(answer.statusCode);
      }
    }
    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(broken).toBeGreaterThan(0);
    const before = broken;
    const posts: number[] = [];
    for (let i = 0; i < 2; i++) {
      const answer = await request(harness.url, { method: "POST", body: "x" });
      posts.push(answer.statusCode);
      const problem = await answer.body.text();
      if (answer.statusCode !== 200) expect(JSON.parse(problem)).toMatchObject({ code: "E_INSTANCE_FAILED" });
    }
    expect(posts.filter((status) => status === 502).length).toBe(broken - before);
  });

  test("shows a request that kills its reader to three of them at most", async () => {
    let killed = 0;
    for (let i = 0; i < 5; i++) {
      await harness.add(
        `i-${i}`,
        rawTarget((socket) => {
          killed++;
          socket.destroy();
        }),
      );
    }
    const answer = await request(harness.url);
    expect(answer.statusCode).toBe(502);
    expect(killed).toBe(3);
  });

  test("repeats a large upload only if nothing of it was sent", async () => {
    let reached = 0;
    await harness.add(
      "i-bad",
      rawTarget((socket) => {
        reached++;
        socket.destroy();
      }),
    );
    const answer = await request(harness.url, { method: "PUT", body: Buffer.alloc(1024 * 1024) });
    expect(answer.statusCode).toBe(502);
    expect(reached).toBe(1);
  });

  test("without any target there is a 503 with a reason, for people and programs", async () => {
    const began = performance.now();
    const answer = await request(harness.url, { headers: { accept: "application/json" } });
    expect(performance.now() - began).toBeGreaterThan(1500);
    expect([answer.statusCode, answer.headers["retry-after"]]).toEqual([503, "1"]);
    expect(await answer.body.json()).toMatchObject({ code: "E_NO_INSTANCE", remedy: expect.any(String) });
    const page = await request(harness.url, { headers: { accept: "text/html,*/*" } });
    expect(page.headers["content-type"]).toBe("text/html; charset=utf-8");
  });

  test("a request waits for a target that is about to come, and a POST too", async () => {
    const address = `127.0.0.1:${await freePort()}`;
    await harness.register("i-1", address);
    const waiting = request(harness.url, { method: "POST", body: "early" });
    await harness.listen(
      answering(async (request, response) => response.end(await text(request))),
      Number(address.split(":")[1]),
    );
    const answer = await waiting;
    expect([answer.statusCode, await answer.body.text()]).toEqual([200, "early"]);
  });

  test("requests that a frozen target holds go to another one", async () => {
    let frozen = false;
    const freezing = createServer((request, response) => {
      if (frozen) return;
      if (request.url === "/_rowhouse/health") response.end("{}");
      else frozen = true;
    });
    await harness.add("i-frozen", freezing);
    const held = request(harness.url);
    await expect.poll(() => frozen).toBe(true);
    await harness.add(
      "i-well",
      answering((_, response) => response.end("well")),
      "b",
    );
    expect(await (await held).body.text()).toBe("well");
    expect((await harness.states())["i-frozen"]).toMatchObject({
      state: "unhealthy",
      reason: expect.stringContaining("1 s"),
    });
  });

  test("serves from targets whose health checks time out when there are no others", async () => {
    let slow = false;
    await harness.add(
      "i-1",
      createServer((request, response) => {
        if (request.url !== "/_rowhouse/health") response.end("served");
        else if (!slow) response.end("{}");
        else response.writeHead(500).end();
      }),
    );
    slow = true;
    await expect
      .poll(async () => (await harness.states())["i-1"]?.state, { timeout: 5000 })
      .toBe("unhealthy");
    expect(await (await request(harness.url)).body.text()).toBe("served");
  });

  test("takes a target out that is far slower than the others", async () => {
    let slowRequests = 0;
    await harness.add(
      "i-slow",
      answering((_, response) => {
        slowRequests++;
        setTimeout(() => response.end("slow"), 400);
      }),
    );
    await harness.add(
      "i-1",
      answering((_, response) => response.end("quick")),
      "b",
    );
    await harness.add(
      "i-2",
      answering((_, response) => response.end("quick")),
    );
    await expect
      .poll(
        async () => {
          await Promise.all(Array.from({ length: 12 }, async () => (await request(harness.url)).body.text()));
          return (await harness.states())["i-slow"]?.reason ?? "";
        },
        { timeout: 15_000, interval: 1 },
      )
      .toContain("answers take 4");
    const before = slowRequests;
    for (let i = 0; i < 50; i++) expect(await (await request(harness.url)).body.text()).toBe("quick");
    expect(slowRequests).toBe(before);
  });
});
