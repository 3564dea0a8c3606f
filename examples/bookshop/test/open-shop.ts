import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import pg from "pg";
import type { Tenant } from "rowhouse";
import { createSystemClock } from "../../../src/embedded/clock.ts";
import { createObjects, type FileObjects } from "../../../src/embedded/objects.ts";
import { assetsPath, ReleaseAssets, registerAssets } from "../../../src/instance/assets.ts";
import { applyMigrations, readMigrations } from "../../../src/postgres/migrate.ts";
import { createTestDatabase } from "../../../test/support/database.ts";
import { shop } from "../src/shop.ts";

const folder = join(import.meta.dirname, "..");

/** A shop of one tenant, on a Postgres database and a folder of files of its own. */
export interface OpenShop {
  readonly tenant: Tenant;
  readonly pool: pg.Pool;
  /** Asks the shop without a server between. */
  request(path: string, init?: RequestInit): Promise<Response>;
  /** Serves the shop and its assets; returns the base URL. */
  listen(): Promise<string>;
  close(): Promise<void>;
}

/** Opens a shop with empty shelves. */
export async function openShop(): Promise<OpenShop> {
  const database = await createTestDatabase();
  const filesFolder = await mkdtemp(join(tmpdir(), "bookshop-files-"));
  const objects = await createObjects({
    folder: filesFolder,
    signingKey: "test",
    clock: createSystemClock(),
  });
  const pool = new pg.Pool({
    host: database.host,
    port: database.port,
    user: "postgres",
    database: database.name,
  });
  // The pool says that it has ended before its sockets have; dropping the database then cuts them off.
  pool.on("connect", (client) => client.on("error", () => {}));
  await migrate(pool);
  const tenant = createTenant(pool, objects);
  const server = createServer();
  return {
    tenant,
    pool,
    request: async (path, init) =>
      shop.fetch(new Request(new URL(path, "http://acme.localhost"), init), { tenant }),
    listen: async () => {
      const assets = await openAssets();
      const answer = getRequestListener((request) => shop.fetch(request, { tenant }));
      server.on("request", (request, response) => {
        if (request.url?.startsWith(assetsPath)) void assets.answer(request.url, request, response);
        else void answer(request, response);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    },
    close: async () => {
      server.close();
      server.closeAllConnections();
      await pool.end();
      await objects.close();
      await database.drop();
      await rm(filesFolder, { recursive: true });
    },
  };
}

async function migrate(pool: pg.Pool): Promise<void> {
  const client = await pool.connect();
  const ledger = { ledgerSchema: "public", ledgerTable: "migrations" };
  await applyMigrations(client, await readMigrations(join(folder, "migrations")), ledger);
  client.release();
}

/** The part of a tenant that the shop uses. */
function createTenant(pool: pg.Pool, objects: FileObjects): Tenant {
  const transaction = async (work: (client: pg.PoolClient) => Promise<unknown>) => {
    const client = await pool.connect();
    try {
      await client.query("BEGIN");
      const result = await work(client);
      await client.query("COMMIT");
      return result;
    } catch (error) {
      await client.query("ROLLBACK");
      throw error;
    } finally {
      client.release();
    }
  };
  const tenant = {
    slug: "acme",
    name: "Acme & Daughters",
    region: "eu-west-1",
    plan: "starter",
    settings: {},
    db: Object.assign(pool, { transaction }),
    files: {
      put: (key: string, body: Uint8Array, options: { contentType: string }) =>
        objects.put({ key, body, ...options }),
      get: (key: string) => objects.get(key),
    },
  };
  return tenant as unknown as Tenant;
}

/** The assets as a release would hold them. */
async function openAssets(): Promise<ReleaseAssets> {
  const source = join(folder, "public");
  const hash = async (file: string) =>
    createHash("sha256")
      .update(await readFile(join(source, file)))
      .digest("hex");
  const names = await readdir(source);
  const assets = new ReleaseAssets(
    source,
    await Promise.all(names.map(async (file) => ({ file, sha256: await hash(file) }))),
  );
  registerAssets(assets);
  return assets;
}
