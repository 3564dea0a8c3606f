/** One server under test, in a process of its own: it sends its address to whoever started it. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import pg from "pg";
import { parseConfig } from "../src/core/config/parse.ts";
import { createKeys } from "../src/embedded/keys.ts";
import { defineApp } from "../src/index.ts";
import { startInstance } from "../src/instance/server.ts";
import { createSystemClock, createSystemRandom } from "../src/node/clock.ts";
import type { DataPlatform } from "../src/ports/platform.ts";
import { quoteIdentifier } from "../src/postgres/identifier.ts";
import { WriterPool } from "../src/postgres/pool.ts";
import type { BenchData } from "./requests-data.ts";

/** What is to be started. */
export type Target =
  | { readonly kind: "bare"; readonly connections: number }
  | { readonly kind: "rowhouse"; readonly connections: number }
  | { readonly kind: "pool-each"; readonly connections: number }
  | { readonly kind: "set-each"; readonly connections: number };

type Query = (sql: string, values: unknown[]) => Promise<{ rows: unknown[] }>;

const sql = "SELECT id, title, author FROM books WHERE id = $1";

/** The handler that every target runs: one indexed row as JSON. */
async function answer(request: IncomingMessage, response: ServerResponse, query: Query): Promise<void> {
  const { rows } = await query(sql, [Number((request.url ?? "").slice("/books/".length))]);
  const body = JSON.stringify(rows[0]);
  response
    .writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    .end(body);
}

async function start(target: Target, data: BenchData): Promise<string> {
  if (target.kind === "rowhouse") return startRowhouse(target.connections, data);
  const { host, port, password } = data;
  const base = { host, port, password };
  const tenantOf = (request: IncomingMessage) => {
    const [kind = "", index = "0"] = (request.headers.host ?? "").split(".")[0]?.split("-") ?? [];
    return data.locations[kind as "schema"][Number(index)]!;
  };
  switch (target.kind) {
    case "bare": {
      const pool = new pg.Pool({ ...base, user: "postgres", database: "bare", max: target.connections });
      return listen((request, response) =>
        answer(request, response, (text, values) => pool.query(text, values)),
      );
    }
    case "pool-each": {
      const pools = new Map<string, pg.Pool>();
      return listen((request, response) => {
        const { appRole, database } = tenantOf(request);
        let pool = pools.get(appRole);
        if (!pool) {
          pool = new pg.Pool({ ...base, user: appRole, database, max: target.connections });
          pools.set(appRole, pool);
        }
        const own = pool;
        return answer(request, response, (text, values) => own.query(text, values));
      });
    }
    case "set-each": {
      const pool = new pg.Pool({
        ...base,
        user: "rowhouse_shared",
        database: "tenants",
        max: target.connections,
      });
      return listen(async (request, response) => {
        const { appRole, schema } = tenantOf(request);
        const client = await pool.connect();
        try {
          await client.query(
            `SET ROLE ${quoteIdentifier(appRole)}; SET search_path = ${quoteIdentifier(schema)}`,
          );
          await answer(request, response, (text, values) => client.query(text, values));
          await client.query("RESET search_path; RESET ROLE");
        } finally {
          client.release();
        }
      });
    }
  }
}

async function listen(
  handler: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<string> {
  const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
    handler(request, response).catch((error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function startRowhouse(connections: number, data: BenchData): Promise<string> {
  const [clock, random] = [createSystemClock(), createSystemRandom()];
  const endpoint = { nodes: [{ host: data.host, port: data.port }] };
  const regionConnection = {
    endpoint,
    database: "control",
    credentials: { user: "postgres", password: "" },
    applicationName: "bench",
  };
  const platform = {
    region: "eu-west-1",
    clock,
    random,
    keys: await createKeys({ file: data.keysFile, random }),
    databases: { endpoint: async () => endpoint },
    // The handler touches its database alone.
  } as unknown as DataPlatform;
  const { address } = await startInstance({
    application: defineApp({
      name: "bench",
      node: (request, response, tenant) =>
        answer(request, response, (text, values) => tenant.db.query(text, values)),
    }),
    platform,
    regionPool: new WriterPool({ ...regionConnection, max: 4 }),
    regionConnection,
    config: parseConfig({
      app: "app.ts",
      domain: "bench.example",
      regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
      plans: {
        database: { isolation: "database" },
        schema: { isolation: "schema" },
        shared: { isolation: "schema", connections: "shared" },
      },
      connectionsPerInstance: connections,
    }),
    identity: { instanceId: "bench", zone: "a", region: "eu-west-1", release: "bench" },
    listen: { host: "127.0.0.1", port: 0 },
    internalToken: random.uuid(),
  });
  return address;
}

process.once("message", async ({ target, data }: { target: Target; data: BenchData }) => {
  const address = await start(target, data);
  process.send?.({ address });
  process.on("message", () => process.send?.({ residentBytes: process.memoryUsage.rss() }));
});
process.once("disconnect", () => process.exit());
