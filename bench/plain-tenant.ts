import { randomBytes } from "node:crypto";
import { join } from "node:path";
import pg from "pg";
import { openDatabases } from "../src/embedded/databases.ts";
import { createKeys } from "../src/embedded/keys.ts";
import { StateFolder } from "../src/embedded/state-folder.ts";
import { readMigrations } from "../src/postgres/migrate.ts";
import type { System } from "../test/support/system.ts";
import { median } from "./figure.ts";

const runs = 15;

/** What a schema with two roles and the bookshop's tables takes by one connection's plain SQL on the same server. */
export async function plainTenantMilliseconds(system: System): Promise<number> {
  const region = new StateFolder(system.stateDirectory).region("eu-west-1");
  const keys = await createKeys({ file: join(region, "keys.json") });
  const databases = openDatabases({ folder: join(region, "databases"), keys });
  const [endpoint, { user, password }] = await Promise.all([
    databases.endpoint("shared-1"),
    databases.administrator("shared-1"),
  ]);
  const [node] = endpoint.nodes;
  const client = new pg.Client({
    host: node?.host ?? "",
    port: node?.port ?? 0,
    database: "tenants",
    user,
    password,
  });
  await client.connect();
  const migrations = await readMigrations(new URL("../examples/bookshop/migrations/", import.meta.url));
  const durations: number[] = [];
  for (let i = 0; i < runs; i++) {
    const name = `plain_${randomBytes(6).toString("hex")}`;
    const startedAt = performance.now();
    await client.query(
      `CREATE ROLE ${name}_owner; CREATE ROLE ${name}_app; CREATE SCHEMA ${name}; SET search_path = ${name}`,
    );
    for (const { sql } of migrations) await client.query(sql);
    durations.push(performance.now() - startedAt);
    await client.query(
      `DROP SCHEMA ${name} CASCADE; DROP ROLE ${name}_owner, ${name}_app; RESET search_path`,
    );
  }
  await client.end();
  return median(durations);
}
