import { createHash } from "node:crypto";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { archiveInObject, decryptArchive, openArchive } from "../../src/control/archive/archive.ts";
import { isGenuine } from "../../src/control/close/signature.ts";
import type { Certificate } from "../../src/core/closing/certificate.ts";
import { closeSteps } from "../../src/core/closing/steps.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { createObjects } from "../../src/embedded/objects.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import type { Objects } from "../../src/ports/objects.ts";
import type { CloseProcessOptions } from "../support/close-process.ts";
import { DeathGround } from "../support/death-ground.ts";
import { startWebhookReceiver } from "../support/webhook-receiver.ts";

describe("a closing that is killed at every step", () => {
  let ground: DeathGround;
  let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>;

  beforeAll(async () => {
    ground = await DeathGround.open();
    receiver = await startWebhookReceiver((response) => void response.writeHead(204).end());
  });
  afterAll(async () => {
    await receiver.close();
    await ground.dispose();
  });

  function close(slug: string, broken: boolean) {
    return ground.runToTheEnd<CloseProcessOptions>("close-process.ts", {
      ...{ slug, broken },
      config: {
        app: "./app.ts",
        domain: "bookshop.example",
        regions: {
          "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
          "us-east-1": { jurisdiction: "US", zones: ["a", "b"], recovery: "us-west-2" },
          "us-west-2": { jurisdiction: "US", zones: ["a", "b"], start: false },
        },
        plans: { starter: { isolation: "schema" } },
        integrations: { billing: { url: receiver.url, secret: receiver.secret } },
      },
    });
  }

  const openObjects = (name: string) =>
    createObjects({
      folder: join(ground.folder, name),
      signingKey: "a secret of the region",
      clock: createSystemClock(),
    });
  const versionsUnder = async (objects: Objects, prefix: string) =>
    (await objects.listVersions({ prefix })).versions.length;
  const certificateOf = async (slug: string) => {
    const { rows } = await ground.region.pool.query<{ certificate: Certificate }>(
      "SELECT certificate FROM closings WHERE slug = $1",
      [slug],
    );
    return rows[0]!.certificate;
  };

  /** Every table of the region's database, the workflows' too, as text. */
  async function regionAsText(): Promise<string> {
    const { rows } = await ground.region.pool.query<{ name: string }>(
      `SELECT format('%I.%I', nspname, relname) AS name FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
       WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'`,
    );
    expect(rows.map(({ name }) => name)).toContain("dbos.workflow_status");
    const texts = await Promise.all(
      rows.map(async ({ name }) => (await ground.region.pool.query(`SELECT t::text FROM ${name} t`)).rows),
    );
    return JSON.stringify(texts);
  }

  async function expectGone(slug: string): Promise<void> {
    const { directory, region, count } = ground;
    expect((await directory.pool.query("SELECT state FROM tenants WHERE slug = $1", [slug])).rows).toEqual([
      { state: "closed" },
    ]);
    for (const table of [
      "data_locations",
      "profiles",
      "administrators",
      "tenant_workflows",
      "tenant_operations",
    ])
      expect(await count(region, `${table} WHERE slug = $1`, slug)).toBe(0);
    expect(await count(directory, "engine.dns_records WHERE name LIKE $1", `${slug}.%`)).toBe(0);
    expect(await regionAsText()).not.toContain(`someone@${slug}.example`);
    for (const name of ["objects", "recovery-objects"]) {
      const objects = await openObjects(name);
      for (const prefix of [`tenants/${slug}/`, `backups/${slug}/`])
        expect(await versionsUnder(objects, prefix)).toBe(0);
      await objects.close();
    }
  }

  it("leaves nothing but a certificate with the right counts, and the last export", async () => {
    const outcome = await close("leaver", false);
    expect(outcome).toEqual({ state: "completed", error: null, kills: closeSteps.length * 2 });
    await expectGone("leaver");

    const certificate = await certificateOf("leaver");
    expect(isGenuine(certificate)).toBe(true);
    expect(isGenuine({ ...certificate, askedBy: "someone else" })).toBe(false);
    expect(certificate).toMatchObject({ slug: "leaver", region: "us-east-1", askedBy: "first" });
    const { removed } = certificate;
    expect(removed.rows).toMatchObject({
      counts: { places: 1, roles: 2, tables: 2, rows: 8 },
      tables: [
        { name: "books", rows: 7 },
        { name: "rowhouse_migrations", rows: 1 },
      ],
    });
    expect(removed.files?.counts).toEqual({ objects: 2, versions: 3, bytes: expect.any(Number) });
    expect(removed.messages?.counts).toEqual({ messages: 2 });
    expect(removed.mail?.counts).toEqual({ messages: 1 });
    expect(removed.backups?.counts).toMatchObject({ objects: 1, versions: 1 });
    expect(removed.copies?.counts).toMatchObject({ objects: 1, versions: 1 });
    expect(removed.profile?.counts).toEqual({ profiles: 1, administrators: 1 });
    expect(removed.workflows?.counts).toEqual({ workflows: 1 });
    expect(JSON.stringify(certificate)).not.toContain("@leaver");

    const events = receiver.arrived.filter(({ body }) => JSON.stringify(body).includes("tenant.closed"));
    expect(new Set(events.map(({ headers }) => headers["webhook-id"])).size).toBe(1);
    await expectExport("leaver", certificate);
  }, 480_000);

  async function expectExport(slug: string, certificate: Certificate): Promise<void> {
    if (!certificate.export.kept) throw new Error(certificate.export.reason);
    const { key, sha256, until } = certificate.export;
    const days = (Date.parse(until) - Date.parse(certificate.askedAt)) / 86_400_000;
    expect(days).toBeGreaterThanOrEqual(30);
    const objects = await openObjects("objects");
    const keys = await createKeys({ file: join(ground.folder, "keys.json") });
    const bytes = await decryptArchive(await archiveInObject(objects, key), { keys, slug });
    const plain = await buffer(await bytes.read(0, bytes.size));
    expect(createHash("sha256").update(plain).digest("hex")).toBe(sha256);
    const archive = await openArchive(bytes);
    expect(archive.manifest.tenant).toMatchObject({ slug, administratorEmail: `someone@${slug}.example` });
    expect(archive.manifest.tables).toMatchObject([{ name: "books", rows: 7 }]);
    await archive.verify();
    await archive.close();
    await objects.close();
  }

  it("comes to the same end for a tenant whose rows are gone, and says that no export could be made", async () => {
    const outcome = await close("wreck", true);
    expect(outcome).toEqual({ state: "completed", error: null, kills: closeSteps.length * 2 });
    await expectGone("wreck");
    const certificate = await certificateOf("wreck");
    expect(certificate.export).toMatchObject({ kept: false, reason: expect.stringMatching(/.{10}/) });
    expect(certificate.removed.rows?.counts).toMatchObject({ places: 1, roles: 2, rows: 0 });
    expect(isGenuine(certificate)).toBe(true);
  }, 480_000);
});
