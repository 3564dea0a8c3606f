import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MigrateDocument } from "../../src/control/migration/run.ts";
import type { MigrateStatusDocument } from "../../src/control/migration/status.ts";
import { docCommands, runDocCommand } from "../support/doc-commands.ts";
import { createSystem, type System } from "../support/system.ts";

const tenants = ["north", "south", "west"];
const config = `import { defineConfig } from "rowhouse";
export default defineConfig({
  app: "./app.ts",
  domain: "notes.example",
  regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
  plans: { starter: { isolation: "schema" } },
});
`;
const app = `import { defineApp } from "rowhouse";
export default defineApp({
  name: "notes",
  migrations: "./migrations",
  fetch: async (_request, tenant) => {
    const { rows } = await tenant.db.query("SELECT count(*)::int AS columns FROM information_schema.columns WHERE table_name = 'notes'");
    return Response.json(rows[0]);
  },
});
`;

describe("migrations over a whole system", () => {
  let application: string;
  let system: System;

  beforeAll(async () => {
    application = await mkdtemp(join(tmpdir(), "rowhouse-notes-"));
    await writeFile(join(application, "rowhouse.config.ts"), config);
    await writeFile(join(application, "app.ts"), app);
    await migration("0001_notes.sql", "CREATE TABLE notes (id serial PRIMARY KEY);");
    system = await createSystem({ config: join(application, "rowhouse.config.ts") });
    await system.up();
    for (const slug of tenants) {
      await system.json(
        ...["tenant", "create", slug, "--name", slug, "--region", "eu-west-1"],
        ...["--plan", "starter", "--email", `owner@${slug}.example`],
      );
    }
  }, 120_000);
  afterAll(async () => {
    await system.dispose();
    await rm(application, { recursive: true, force: true });
  }, 60_000);

  async function migration(file: string, sql: string): Promise<void> {
    await mkdir(join(application, "migrations"), { recursive: true });
    await writeFile(join(application, "migrations", file), sql);
  }

  it("have nothing to do where all are up to date", async () => {
    const result = await system.json<MigrateDocument>("migrate", "run");
    expect(result).toMatchObject({ target: 1, total: 3, applied: 0, skipped: 3, failed: [], stopped: null });
    const status = await system.json<MigrateStatusDocument>("migrate", "status");
    expect(status).toMatchObject({
      target: 1,
      total: 3,
      behind: 0,
      regions: [{ name: "eu-west-1", versions: [{ schemaVersion: 1, tenants: 3 }] }],
    });
  });

  it("are run when an application with newer ones is started", async () => {
    await migration("0002_text.sql", "ALTER TABLE notes ADD COLUMN text text;");
    await migration(
      "0003_index.sql",
      "-- rowhouse: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS notes_text ON notes (text);",
    );
    await system.json("down");
    await system.up();
    for (const slug of tenants) {
      expect(await (await system.tenant(slug, "/")).json()).toEqual({ columns: 2 });
      expect(await system.json("tenant", "show", slug)).toMatchObject({ schemaVersion: 3 });
    }
    const result = await system.json<MigrateDocument>("migrate", "run", "--tenant", "north");
    expect(result).toMatchObject({ target: 3, total: 1, applied: 0, skipped: 1 });
  }, 120_000);

  it("are looked at and run by the guide's commands", async () => {
    const outputs = [];
    for (const command of await docCommands("docs/migrating.md"))
      outputs.push(await runDocCommand(system, command));
    expect(outputs).toMatchObject([
      { code: 0, stdout: expect.stringMatching(/3 tenants, 0 behind[\s\S]*REGION +SCHEMA +TENANTS/) },
      { code: 0, stdout: expect.stringContaining("0 migrated, 3 had it, 0 failed, 0 in use") },
    ]);
  });

  it("tell of a tenant that does not exist", async () => {
    const result = await system.cli("migrate", "run", "--tenant", "nobody", "--json");
    expect(result.code).toBe(2);
    expect(result.json()).toMatchObject({ error: { code: "E_TENANT_NOT_FOUND" } });
  });
});
