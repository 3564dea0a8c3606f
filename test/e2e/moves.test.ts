import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditEntry } from "../../src/control/audit.ts";
import type { MoveResult } from "../../src/control/move/status.ts";
import type { TenantDocument } from "../../src/control/tenant-document.ts";
import { docCommands, runDocCommand } from "../support/doc-commands.ts";
import { createSystem, type System } from "../support/system.ts";

const config = `import { defineConfig } from "rowhouse";
export default defineConfig({
  app: "./app.ts",
  domain: "ledger.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "eu-north-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
  },
  plans: {
    starter: { isolation: "schema" },
    plus: { isolation: "schema" },
    pooled: { isolation: "schema", connections: "shared" },
    business: { isolation: "database" },
    enterprise: { isolation: "server" },
  },
});
`;
const app = `import { Readable } from "node:stream";
import { defineApp } from "rowhouse";
export default defineApp({
  name: "ledger",
  migrations: "./migrations",
  fetch: async (request, tenant) => {
    const { pathname } = new URL(request.url);
    const key = decodeURIComponent(pathname.split("/")[2] ?? "");
    if (pathname.startsWith("/files/")) {
      if (request.method === "PUT") {
        await tenant.files.put(key, new Uint8Array(await request.arrayBuffer()), { contentType: "text/plain" });
        return new Response(null, { status: 201 });
      }
      const file = await tenant.files.get(key);
      return file ? new Response(Readable.toWeb(file.body)) : new Response(null, { status: 404 });
    }
    if (request.method === "POST") {
      await tenant.db.query("INSERT INTO entries (key) VALUES ($1)", [key]);
      await tenant.db.query("INSERT INTO keyless VALUES ($1, 1)", [key]);
      await tenant.db.query("UPDATE keyless SET n = n + 1 WHERE key = $1", [key]);
      return new Response(null, { status: 201 });
    }
    const { rows } = await tenant.db.query(
      "SELECT key, (SELECT json_agg(n) FROM keyless WHERE keyless.key = entries.key) AS numbers FROM entries ORDER BY id",
    );
    return Response.json({ rows, region: tenant.region, plan: tenant.plan, name: tenant.name });
  },
});
`;
const tables = `CREATE TABLE entries (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text UNIQUE, at timestamptz DEFAULT now());
CREATE TABLE keyless (key text, n int);
CREATE INDEX keyless_key ON keyless (key);
CREATE TABLE ballast (id int PRIMARY KEY, body text);
INSERT INTO ballast SELECT i, repeat(md5(i::text), 10) FROM generate_series(1, 20000) AS i;`;

interface Ledger {
  readonly rows: readonly { readonly key: string; readonly numbers: readonly number[] }[];
  readonly region: string;
  readonly plan: string;
  readonly name: string;
}

describe("a tenant that is moved while it is used", () => {
  let application: string;
  let system: System;

  beforeAll(async () => {
    application = await mkdtemp(join(tmpdir(), "rowhouse-ledger-"));
    await writeFile(join(application, "rowhouse.config.ts"), config);
    await writeFile(join(application, "app.ts"), app);
    await mkdir(join(application, "migrations"));
    await writeFile(join(application, "migrations", "0001_ledger.sql"), tables);
    system = await createSystem({ config: join(application, "rowhouse.config.ts") });
    await system.up();
  }, 180_000);
  afterAll(async () => {
    await system.dispose();
    await rm(application, { recursive: true, force: true });
  }, 60_000);

  /** Asks the API, as the CLI does. */
  async function ask<T>(path: string, body?: object): Promise<T> {
    const response = await system.api(path, body && { method: "POST", body: JSON.stringify(body) });
    const answer = (await response.json()) as T;
    expect(response.status, JSON.stringify(answer)).toBeLessThan(300);
    return answer;
  }

  async function create(slug: string, plan: string): Promise<void> {
    const email = `owner@${slug}.example`;
    await ask("/v1/tenants?wait=1", { slug, name: `${slug} Ltd`, region: "eu-west-1", plan, email });
  }

  const show = (slug: string) => ask<TenantDocument>(`/v1/tenants/${slug}`);
  const move = (slug: string, to: object) => ask<MoveResult>(`/v1/tenants/${slug}/move?wait=1`, to);
  const read = async (slug: string) => (await (await system.tenant(slug, "/")).json()) as Ledger;

  /** Writes rows and files, one after the other, until it is told to stop; nothing that it asks for may fail. */
  function write(slug: string, name: string) {
    const acknowledged: string[] = [];
    let isStopped = false;
    const work = (async () => {
      for (let count = 0; !isStopped; count++) {
        const key = `${name}-${count}`;
        const row = await system.tenant(slug, `/entries/${key}`, { method: "POST" });
        expect([row.status, key]).toEqual([201, key]);
        const file = await system.tenant(slug, `/files/${name}-${count % 5}`, { method: "PUT", body: key });
        expect([file.status, key]).toEqual([201, key]);
        acknowledged.push(key);
      }
    })();
    work.catch(() => {});
    return {
      acknowledged,
      stop: async () => {
        isStopped = true;
        await work;
      },
    };
  }

  /** Moves it under load, and holds it to its promise. */
  async function moveUnderLoad(slug: string, to: { region?: string; plan?: string }): Promise<MoveResult> {
    const writers = ["a", "b", "c"].map((name) => write(slug, [name, ...Object.values(to)].join("-")));
    const firstOnes = () => writers.every(({ acknowledged }) => acknowledged.length >= 5);
    await expect.poll(firstOnes, { timeout: 20_000 }).toBe(true);
    const before = (await read(slug)).rows.map(({ key }) => key);
    const result = await move(slug, to);
    const counts = writers.map(({ acknowledged }) => acknowledged.length);
    const goesOn = () =>
      writers.every(({ acknowledged }, index) => acknowledged.length > (counts[index] ?? 0) + 3);
    await expect.poll(goesOn, { timeout: 20_000 }).toBe(true);
    await Promise.all(writers.map(({ stop }) => stop()));
    const { rows } = await read(slug);
    const keys = rows.map(({ key }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    const acknowledged = writers.flatMap((writer) => writer.acknowledged);
    expect(keys).toEqual(expect.arrayContaining([...before, ...acknowledged]));
    // Whoever was served at the old place did nothing there that is not here, and nothing twice.
    expect(rows.filter(({ numbers }) => numbers.length !== 1 || numbers[0] !== 2)).toEqual([]);
    for (const { acknowledged: own } of writers) {
      for (const key of own.slice(-5)) {
        const [, name = "", count = ""] = /^(.*)-(\d+)$/.exec(key) ?? [];
        const file = await system.tenant(slug, `/files/${name}-${Number(count) % 5}`);
        expect(await file.text()).toBe(key);
      }
    }
    return result;
  }

  it("goes to another region of its jurisdiction", async () => {
    await create("nomad", "starter");
    const result = await moveUnderLoad("nomad", { region: "eu-north-1" });
    expect(result).toMatchObject({
      slug: "nomad",
      from: "eu-west-1",
      to: "eu-north-1",
      plan: { from: "starter", to: "starter" },
      verified: "whole",
    });
    expect(result.rows).toBeGreaterThan(20_000);
    expect(result.bytes).toBeGreaterThan(6_000_000);
    expect(result.writePauseMs).toBeGreaterThan(0);
    expect(result.durationMs).toBeGreaterThan(result.writePauseMs);
    expect(await show("nomad")).toMatchObject({ region: "eu-north-1", state: "active", name: "nomad Ltd" });
    expect(await read("nomad")).toMatchObject({ region: "eu-north-1", name: "nomad Ltd" });
  }, 120_000);

  it("changes its isolation, there and back", async () => {
    await create("grower", "starter");
    for (const plan of ["business", "pooled", "enterprise", "starter"]) {
      const result = await moveUnderLoad("grower", { plan });
      expect(result).toMatchObject({ to: plan, region: { from: "eu-west-1", to: "eu-west-1" } });
      expect(await show("grower")).toMatchObject({ plan, state: "active" });
      expect(await read("grower")).toMatchObject({ plan });
    }
  }, 300_000);

  it("changes its plan where its data is", async () => {
    await create("upgrader", "starter");
    for (const plan of ["plus", "pooled", "starter"]) {
      const result = await moveUnderLoad("upgrader", { plan });
      expect(result).toMatchObject({ to: plan, rows: 0, bytes: 0 });
      expect(await show("upgrader")).toMatchObject({ plan, isolation: "schema", state: "active" });
    }
  }, 120_000);

  it("leaves its jurisdiction with consent alone, which is kept at both places", async () => {
    await create("emigrant", "starter");
    const refused = await system.cli("tenant", "move", "emigrant", "--region", "us-east-1", "--json");
    expect(refused.code).toBe(2);
    expect(refused.json()).toMatchObject({ error: { code: "E_MOVE_JURISDICTION" } });
    expect(await system.json("audit", "list", "--tenant", "emigrant")).toEqual([]);
    const consent = "contract 2026-17, § 4";
    await system.json("tenant", "move", "emigrant", "--region", "us-east-1", "--consent", consent);
    expect(await read("emigrant")).toMatchObject({ region: "us-east-1", name: "emigrant Ltd" });
    const trail = await system.json<AuditEntry[]>("audit", "list", "--tenant", "emigrant");
    const details = expect.objectContaining({ consent, from: "eu-west-1", to: "us-east-1" });
    expect(trail.map((entry) => entry.region).toSorted()).toEqual(["eu-west-1", "us-east-1"]);
    expect(trail).toEqual(
      Array(2).fill(expect.objectContaining({ tenant: "emigrant", action: "move", details })),
    );
  }, 120_000);

  it("stays suspended when it is", async () => {
    await create("sleeper", "starter");
    await ask("/v1/tenants/sleeper/suspend", {});
    await move("sleeper", { region: "eu-north-1" });
    expect(await show("sleeper")).toMatchObject({ region: "eu-north-1", state: "suspended" });
    await ask("/v1/tenants/sleeper/resume", {});
    expect(await read("sleeper")).toMatchObject({ region: "eu-north-1" });
    await move("sleeper", { region: "eu-west-1" });
    expect(await read("sleeper")).toMatchObject({ region: "eu-west-1" });
  }, 120_000);

  it.each([
    [["nomad"], 2, "E_ARGUMENT"],
    [["nobody", "--plan", "plus"], 2, "E_TENANT_NOT_FOUND"],
    [["upgrader", "--region", "eu-west-1"], 2, "E_MOVE_SAME"],
    [["upgrader", "--region", "mars-1"], 2, "E_REGION_UNKNOWN"],
    [["upgrader", "--plan", "platinum"], 2, "E_PLAN_UNKNOWN"],
  ])("is refused: %j", async (args, code, error) => {
    const result = await system.cli("tenant", "move", ...args, "--json");
    expect([result.code, result.json()]).toMatchObject([code, { error: { code: error } }]);
  });

  it("is moved by one at a time", async () => {
    await create("popular", "starter");
    const answers = await Promise.all(
      ["business", "plus"].map(async (plan) => {
        const body = JSON.stringify({ plan });
        const answer = await system.api("/v1/tenants/popular/move?wait=1", { method: "POST", body });
        return { status: answer.status, body: (await answer.json()) as object };
      }),
    );
    expect(answers.toSorted((a, b) => a.status - b.status)).toMatchObject([
      { status: 200, body: { slug: "popular", from: "starter" } },
      { status: 409, body: { code: "E_TENANT_BUSY" } },
    ]);
  }, 60_000);

  it("is moved by the guide's commands", async () => {
    await create("guided", "starter");
    const outputs = [];
    for (const command of await docCommands("docs/moving.md"))
      outputs.push(await runDocCommand(system, command, { acme: "guided" }));
    expect(outputs).toMatchObject([
      {
        code: 0,
        stdout: expect.stringContaining("guided is served from eu-north-1 with the plan starter (schema)"),
      },
      {
        code: 0,
        stdout: expect.stringContaining("guided is served from eu-north-1 with the plan business (database)"),
      },
      { code: 0, stdout: expect.stringMatching(/eu-north-1[\s\S]*business/) },
      { code: 0, stdout: expect.stringContaining("guided is served from us-east-1") },
      { code: 0, stdout: expect.stringMatching(/us-east-1 .*move guided .*consent: contract 2026-17, § 4/) },
    ]);
  }, 120_000);
});
