import expressFramework, { type ErrorRequestHandler } from "express";
import fastifyFramework from "fastify";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AskOptions, ask as askAt } from "../test/support/ask.ts";
import { startTestInstance } from "../test/support/instance.ts";
import { createTestRegion, type TestRegion } from "../test/support/region.ts";
import { express } from "./express.ts";
import { fastify } from "./fastify.ts";
import { hono } from "./hono.ts";
import { type Application, currentTenant, type Tenant } from "./index.ts";
import type { RunningInstance } from "./instance/server.ts";

let region: TestRegion;

beforeAll(async () => {
  region = await createTestRegion();
  for (const slug of ["acme", "beta"]) await region.addTenant({ slug });
});

afterAll(() => region.dispose());

const answer = async (tenant: Tenant, body: unknown) => {
  const { rows } = await tenant.db.query<{ title: string }>("SELECT title FROM books WHERE id = $1", [1]);
  return { slug: tenant.slug, same: tenant === currentTenant(), title: rows[0]?.title, body };
};

function honoApplication(): Application {
  const app = new Hono();
  app.post("/books", async (c) => c.json(await answer(c.get("tenant"), await c.req.json()), 201));
  app.notFound((c) => c.text(`nothing for ${c.get("tenant").slug}`, 404));
  app.onError((error, c) => c.text(`${c.get("tenant").slug}: ${error.message}`, 500));
  app.get("/fail", () => {
    throw new Error("on purpose");
  });
  return hono(app, { name: "shop" });
}

function expressApplication(): Application {
  const app = expressFramework();
  app.use(expressFramework.json());
  app.post("/books", async (req, res) => {
    res.status(201).json(await answer(req.tenant, req.body));
  });
  app.get("/fail", () => {
    throw new Error("on purpose");
  });
  app.use((req, res) => {
    res.status(404).send(`nothing for ${req.tenant.slug}`);
  });
  // Express knows a handler of errors by its four parameters.
  app.use(((error, req, res, _next) => {
    res.status(500).send(`${req.tenant.slug}: ${error.message}`);
  }) as ErrorRequestHandler);
  return express(app, { name: "shop" });
}

function fastifyApplication(): Application {
  const app = fastifyFramework();
  app.post("/books", async (request, reply) =>
    reply.status(201).send(await answer(request.tenant, request.body)),
  );
  app.get("/fail", async () => {
    throw new Error("on purpose");
  });
  app.setNotFoundHandler(async (request, reply) =>
    reply.status(404).send(`nothing for ${request.tenant.slug}`),
  );
  app.setErrorHandler(async (error: Error, request, reply) =>
    reply.status(500).send(`${request.tenant.slug}: ${error.message}`),
  );
  return fastify(app, { name: "shop" });
}

describe.each([
  ["Hono", honoApplication],
  ["Express", expressApplication],
  ["Fastify", fastifyApplication],
])("%s", (_, make) => {
  let instance: RunningInstance;
  beforeAll(async () => {
    instance = await startTestInstance(region, make());
  });
  afterAll(() => instance.stop(0));

  const ask = (slug: string, path: string, options?: AskOptions) =>
    askAt(instance.address, `${slug}.localhost`, path, options);

  it.each(["acme", "beta"])("has the tenant %s at hand", async (slug) => {
    const response = await ask(slug, "/books", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ from: slug }),
    });
    expect(response.status).toBe(201);
    expect(JSON.parse(response.body)).toEqual({ slug, same: true, title: slug, body: { from: slug } });
    expect(response.headers["x-rowhouse-instance"]).toBe("i-1");
  });

  it("answers what it does not know, and what fails, in its own way", async () => {
    const unknown = await ask("acme", "/unknown");
    expect([unknown.status, unknown.body]).toEqual([404, "nothing for acme"]);
    const failed = await ask("beta", "/fail");
    expect([failed.status, failed.body]).toEqual([500, "beta: on purpose"]);
  });
});
