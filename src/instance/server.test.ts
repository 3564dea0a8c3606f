import { once } from "node:events";
import { connect as connectSocket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InstanceTest, internalToken, startTestInstance } from "../../test/support/instance.ts";
import { defineApp } from "./application.ts";
import { currentTenant, withTenant } from "./context.ts";
import type { Tenant } from "./tenant.ts";

let test: InstanceTest;
beforeAll(async () => {
  test = await InstanceTest.create();
});
afterAll(() => test?.dispose());

describe("paths of the platform", () => {
  it.each(["127.0.0.1", "acme.localhost", "paused.localhost", "localhost"])(
    "answer a health check on %s",
    async (host) => {
      const answer = await test.ask(host, "/_rowhouse/health");
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
    expect((await test.ask("acme.localhost", "/_rowhouse/other")).status).toBe(404);
  });

  it("serve a file by its signed URL, and not without", async () => {
    const url = await test.instance.runtime.run("acme", async (tenant) => {
      await tenant.files.put("covers/1.txt", "a cover");
      return tenant.files.url("covers/1.txt");
    });
    expect(await test.ask("acme.localhost", url)).toMatchObject({ status: 200, body: "a cover" });
    expect((await test.ask("acme.localhost", url.replace(/\?.*/, ""))).status).toBeGreaterThanOrEqual(400);
    expect((await test.ask("paused.localhost", url)).status).toBe(403);
  });

  it("seed a tenant that is still being made, for the platform alone", async () => {
    const options = { method: "POST", body: JSON.stringify({ slug: "coming" }) };
    const path = "/_rowhouse/internal/seed";
    for (const authorization of ["", "Bearer", "Bearer wrong", `Basic ${internalToken}`]) {
      expect((await test.ask("127.0.0.1", path, { ...options, headers: { authorization } })).status).toBe(
        401,
      );
    }
    const headers = { authorization: `Bearer ${internalToken}` };
    expect((await test.ask("127.0.0.1", path, { ...options, headers })).status).toBe(200);
    expect(test.seeded).toEqual(["coming"]);
    expect(
      (await test.ask("127.0.0.1", path, { ...options, body: '{"slug":"nobody"}', headers })).status,
    ).toBe(404);
    expect((await test.ask("127.0.0.1", path, { ...options, body: "no json", headers })).status).toBe(400);
    expect((await test.ask("127.0.0.1", "/_rowhouse/internal/other", { ...options, headers })).status).toBe(
      404,
    );
    const fromOutside = { ...headers, "x-forwarded-for": "203.0.113.7" };
    expect((await test.ask("127.0.0.1", path, { ...options, headers: fromOutside })).status).toBe(404);
  });
});

describe("the server", () => {
  it("refuses headers of more than 16 kB", async () => {
    const answer = await test.ask("acme.localhost", "/", { headers: { "x-large": "x".repeat(17_000) } });
    expect(answer.status).toBe(431);
    expect(JSON.parse(answer.body).code).toBe("E_HEADERS_TOO_LARGE");
  });

  it("refuses what is not HTTP", async () => {
    expect(await test.exchange("NONSENSE\r\n\r\n")).toMatch(/^HTTP\/1.1 400 [\s\S]*E_ARGUMENT/);
  });

  it("closes a connection whose headers trickle", async () => {
    const [host, port] = test.instance.address.split(":");
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
    const port = Number(test.instance.address.split(":")[1]);
    const clash = startTestInstance(test.region, defineApp({ name: "clash", fetch: () => new Response() }), {
      listen: { host: "127.0.0.1", port },
    });
    await expect(clash).rejects.toMatchObject({ code: "E_PORT_IN_USE" });
  });

  it("lets requests finish when it stops, and takes no more", async () => {
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const entered = Promise.withResolvers<void>();
    const stopping = await startTestInstance(
      test.region,
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
    const last = test.ask("acme.localhost", "/", { at: stopping });
    await entered.promise;
    const stopped = stopping.stop(5_000);
    await expect(test.ask("acme.localhost", "/", { at: stopping })).rejects.toMatchObject({
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
    await test.instance.runtime.run("acme", async () => {
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
