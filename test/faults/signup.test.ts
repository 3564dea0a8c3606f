import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { prepareControlSchema } from "../../src/control/schema.ts";
import { signupSteps } from "../../src/core/signup/steps.ts";
import { prepareDns } from "../../src/embedded/dns.ts";
import { prepareMail } from "../../src/embedded/mail.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";
import type { SignupProcessOptions } from "../support/signup-process.ts";
import { startWebhookReceiver } from "../support/webhook-receiver.ts";

const program = fileURLToPath(new URL("../support/signup-process.ts", import.meta.url));

describe("a sign-up that is killed at every step", () => {
  let directory: TestDatabase;
  let region: TestDatabase;
  let folder: string;
  let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>;

  beforeAll(async () => {
    [directory, region] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    folder = await mkdtemp(join(tmpdir(), "rowhouse-signup-"));
    receiver = await startWebhookReceiver((response) => void response.writeHead(204).end());
    await prepareControlSchema(directory.pool, "directory");
    await prepareControlSchema(region.pool, "region");
    await Promise.all([prepareDns(directory.pool), prepareMail(region.pool)]);
    await region.pool.query("CREATE TABLE points (slug text, point text, PRIMARY KEY (slug, point))");
    // Other test files have roles on the same server: these are the ones of here.
    await region.pool.query(`
      CREATE TABLE roles_made (role text PRIMARY KEY);
      CREATE FUNCTION note_roles() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO roles_made VALUES (NEW.app_role), (NEW.owner_role);
        RETURN NULL;
      END $$;
      CREATE TRIGGER note_roles AFTER INSERT ON data_locations FOR EACH ROW EXECUTE FUNCTION note_roles()`);
  });
  afterAll(async () => {
    await receiver.close();
    await Promise.all([directory.drop(), region.drop()]);
    await rm(folder, { recursive: true, force: true });
  });

  interface Outcome {
    readonly kills: number;
    readonly state: string;
    readonly error: string | null;
  }

  /** Starts the process again and again until one comes to the end. */
  async function signUp(slug: string, plan: string, fails: boolean): Promise<Outcome> {
    const options: SignupProcessOptions = {
      node: inject("postgres"),
      directoryDatabase: directory.name,
      regionDatabase: region.name,
      folder,
      slug,
      plan,
      fails,
      config: {
        app: "./app.ts",
        domain: "bookshop.example",
        regions: {
          "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
          "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
        },
        plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
        integrations: {
          crm: { url: receiver.url, secret: receiver.secret },
          billing: { url: receiver.url, secret: receiver.secret },
        },
      },
    };
    for (let kills = 0; kills < 100; kills++) {
      const child = spawn(process.execPath, [program, JSON.stringify(options)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (chunk) => {
        output += chunk;
      });
      const signal = await new Promise((resolve) => child.once("close", (_code, by) => resolve(by)));
      if (signal !== "SIGKILL")
        return { kills, ...(JSON.parse(output) as { state: string; error: string | null }) };
    }
    throw new Error("The sign-up never came to an end.");
  }

  const count = async (database: TestDatabase, sql: string, ...parameters: unknown[]) =>
    Number((await database.pool.query(`SELECT count(*) AS count FROM ${sql}`, parameters)).rows[0]?.count);

  it("ends in the same tenant, once", async () => {
    const outcome = await signUp("survivor", "starter", false);
    expect(outcome).toMatchObject({ state: "completed", kills: signupSteps.length * 2 });
    const { rows } = await directory.pool.query(
      "SELECT state, plan, region FROM tenants WHERE slug = 'survivor'",
    );
    expect(rows).toEqual([{ state: "active", plan: "starter", region: "us-east-1" }]);
    expect(await count(region, "data_locations WHERE slug = 'survivor' AND ready")).toBe(1);
    expect(await count(region, "profiles WHERE slug = 'survivor'")).toBe(1);
    expect(await count(region, "administrators WHERE slug = 'survivor'")).toBe(1);
    expect(await count(region, "engine.outbox WHERE tenant = 'survivor'")).toBe(1);
    expect(await count(directory, "engine.dns_records WHERE name LIKE 'survivor.%'")).toBe(1);
    const ids = receiver.arrived.map((webhook) => String(webhook.headers["webhook-id"]));
    expect(new Set(ids.filter((id) => id.includes("survivor"))).size).toBe(2);
  }, 180_000);

  it("takes everything back when a step fails, and the slug is free again", async () => {
    const outcome = await signUp("fallen", "business", true);
    expect(outcome).toMatchObject({ state: "failed", error: expect.stringContaining("There is no room.") });
    expect(outcome.kills).toBeGreaterThan(signupSteps.length * 2);
    expect(await count(directory, "tenants WHERE slug = 'fallen'")).toBe(0);
    expect(await count(region, "tenants WHERE slug = 'fallen'")).toBe(0);
    expect(await count(region, "data_locations WHERE slug = 'fallen'")).toBe(0);
    expect(await count(region, "profiles WHERE slug = 'fallen'")).toBe(0);
    expect(await count(directory, "engine.dns_records WHERE name LIKE 'fallen.%'")).toBe(0);
    const { rows } = await region.pool.query(
      `SELECT rolname FROM pg_roles JOIN roles_made ON rolname = role
       WHERE NOT EXISTS (SELECT FROM data_locations WHERE role IN (app_role, owner_role))`,
    );
    expect(rows).toEqual([]);
  }, 180_000);
});
