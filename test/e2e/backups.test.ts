import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BackupDocument } from "../../src/control/backup/document.ts";
import type { RestorationResult } from "../../src/control/backup/restoration.ts";
import type { TenantDocument } from "../../src/control/tenant-document.ts";
import { docCommands, runDocCommand } from "../support/doc-commands.ts";
import { createSystem, type System } from "../support/system.ts";

const config = `import { defineConfig } from "rowhouse";
export default defineConfig({
  app: "./app.ts",
  domain: "notes.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"], recovery: "eu-central-1" },
    "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], start: false },
  },
  plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
});
`;
const app = `import { defineApp } from "rowhouse";
export default defineApp({
  name: "notes",
  migrations: "./migrations",
  fetch: async (request, tenant) => {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/files/")) {
      const key = pathname.slice("/files/".length);
      if (request.method === "PUT") await tenant.files.put(key, new Uint8Array(await request.arrayBuffer()));
      if (request.method === "DELETE") await tenant.files.delete(key);
      const found = await tenant.files.get(key);
      return found ? new Response(await new Response(found.body).text()) : new Response("none", { status: 404 });
    }
    if (request.method === "POST") {
      const { rows } = await tenant.db.query("INSERT INTO notes (text) VALUES ($1) RETURNING id", [await request.text()]);
      return Response.json(rows[0], { status: 201 });
    }
    if (request.method === "DELETE") await tenant.db.query("DELETE FROM notes");
    const { rows } = await tenant.db.query("SELECT text FROM notes ORDER BY id");
    return Response.json(rows.map((row) => row.text));
  },
});
`;

describe("a tenant's data that was lost", () => {
  let application: string;
  let system: System;

  beforeAll(async () => {
    application = await mkdtemp(join(tmpdir(), "rowhouse-backups-"));
    await mkdir(join(application, "migrations"));
    await writeFile(join(application, "rowhouse.config.ts"), config);
    await writeFile(join(application, "app.ts"), app);
    const sql = "CREATE TABLE notes (id serial PRIMARY KEY, text text NOT NULL UNIQUE);";
    await writeFile(join(application, "migrations", "0001_notes.sql"), sql);
    system = await createSystem({ config: join(application, "rowhouse.config.ts") });
    await system.up();
  }, 120_000);
  afterAll(async () => {
    await system.dispose();
    await rm(application, { recursive: true, force: true });
  }, 60_000);

  async function create(slug: string, plan = "starter"): Promise<void> {
    await system.json(
      ...["tenant", "create", slug, "--name", `The ${slug} company`, "--region", "eu-west-1"],
      ...["--plan", plan, "--email", `owner@${slug}.example`],
    );
  }

  const write = async (slug: string, text: string): Promise<number> =>
    (await system.tenant(slug, "/", { method: "POST", body: text })).status;
  const notes = async (slug: string): Promise<string[]> =>
    (await (await system.tenant(slug, "/")).json()) as string[];
  const putFile = (slug: string, key: string, body: string) =>
    system.tenant(slug, `/files/${key}`, { method: "PUT", body });
  const file = async (slug: string, key: string): Promise<string> =>
    (await system.tenant(slug, `/files/${key}`)).text();

  /** Writers that go on until they are told not to, and what they were answered. */
  function startWriters(slug: string) {
    const acknowledged: string[] = [];
    const statuses = new Set<number>();
    let goesOn = true;
    const writers = [0, 1, 2].map(async (writer) => {
      for (let count = 0; goesOn; count++) {
        const status = await write(slug, `${writer}-${count}`);
        statuses.add(status);
        if (status === 201) acknowledged.push(`${writer}-${count}`);
        await sleep(5);
      }
    });
    return {
      acknowledged,
      statuses,
      async untilMore(count: number) {
        const enough = acknowledged.length + count;
        while (acknowledged.length < enough && new Set([...statuses, 201]).size === 1) await sleep(5);
      },
      async stop() {
        goesOn = false;
        await Promise.all(writers);
      },
    };
  }

  it.each(["starter", "business"])(
    "comes back, of a %s tenant that is used meanwhile: what was acknowledged, once",
    async (plan) => {
      const slug = `busy-${plan}`;
      await create(slug, plan);
      const { acknowledged, statuses, untilMore, stop } = startWriters(slug);
      try {
        await putFile(slug, "kept.txt", "kept");
        await putFile(slug, "changed.txt", "before");
        await untilMore(50);
        const before = [...acknowledged];
        const backup = await system.json<BackupDocument>("tenant", "backup", slug);
        expect(backup).toMatchObject({ slug, reason: "manual", schemaVersion: 1, failure: null, files: 2 });
        expect(backup.copiedAt).not.toBeNull();
        expect(backup.rows).toBeGreaterThanOrEqual(before.length);
        await putFile(slug, "changed.txt", "after");
        await putFile(slug, "new.txt", "new");
        await untilMore(50);

        const restored = await system.json<RestorationResult>("tenant", "restore", slug, "--yes");
        expect(restored).toMatchObject({
          slug,
          backup: backup.id,
          takenAt: backup.takenAt,
          rows: backup.rows,
        });
        await untilMore(20);
        await stop();
        // Nobody was refused: those who came during the switch waited.
        expect(statuses).toEqual(new Set([201]));
        const found = await notes(slug);
        expect(new Set(found).size).toBe(found.length);
        expect(found).toEqual(expect.arrayContaining(before));
        expect(found.length).toBeLessThan(acknowledged.length);
        expect(await file(slug, "changed.txt")).toBe("before");
        expect(await file(slug, "kept.txt")).toBe("kept");
        expect((await system.tenant(slug, "/files/new.txt")).status).toBe(404);

        // The state before is exact: it has everything that was acknowledged until the switch.
        const undone = await system.json<RestorationResult>(
          ...["tenant", "restore", slug, "--backup", restored.before ?? "", "--yes"],
        );
        expect(undone).toMatchObject({ backup: restored.before, secondsBefore: null });
        const all = new Set([...(await notes(slug)), ...found]);
        expect(acknowledged.filter((text) => !all.has(text))).toEqual([]);
        expect(await file(slug, "changed.txt")).toBe("after");
        expect(await file(slug, "new.txt")).toBe("new");
      } finally {
        await stop();
      }
    },
    240_000,
  );

  it("is restored as the guide says, command by command", async () => {
    await create("north");
    await write("north", "first");
    const target = join(application, "north.zip");
    const placeholders: Record<string, string> = { acme: "north", "<file>": target };
    const outputs: string[] = [];
    for (const command of await docCommands("docs/backing-up.md")) {
      const [newest] = await system.json<BackupDocument[]>("tenant", "backups", "north");
      placeholders["<time>"] = new Date().toISOString();
      if (newest) placeholders["<id>"] = newest.id;
      const { code, stdout, stderr } = await runDocCommand(system, command, placeholders);
      expect(`${command}: ${code} ${code === 0 ? "" : stderr}`).toBe(`${command}: 0 `);
      outputs.push(stdout);
    }
    expect(outputs.length).toBeGreaterThan(9);
    expect(await notes("north")).toEqual(["first"]);
    expect(await notes("north-copy")).toEqual(["first"]);
    expect((await system.json<TenantDocument>("tenant", "show", "north-before")).state).toBe("closed");
    const kept = await system.json<BackupDocument[]>("tenant", "backups", "north");
    expect(kept.filter(({ verifiedAt }) => verifiedAt !== null)).toHaveLength(1);
    expect(kept.every(({ copiedAt }) => copiedAt !== null)).toBe(true);
    expect(new Set(kept.map(({ reason }) => reason))).toEqual(
      new Set(["manual", "before-restore", "before-import"]),
    );
  }, 300_000);

  it("is restored while it is suspended, and stays so", async () => {
    await create("quiet");
    await write("quiet", "one");
    await system.json("tenant", "suspend", "quiet");
    await system.json("tenant", "backup", "quiet");
    await system.json("tenant", "restore", "quiet", "--yes");
    expect((await system.json<TenantDocument>("tenant", "show", "quiet")).state).toBe("suspended");
    await system.json("tenant", "resume", "quiet");
    expect(await notes("quiet")).toEqual(["one"]);
  }, 120_000);

  it("is not asked for in vain: every refusal says why, and changes nothing", async () => {
    await create("strict");
    await write("strict", "one");
    const refused = async (...args: string[]) => {
      const result = await system.cli(...args, "--json");
      return { exit: result.code, code: result.json<{ error: { code: string } }>().error.code };
    };
    const user = (code: string) => ({ exit: 2, code });
    expect(await refused("tenant", "restore", "strict", "--yes")).toEqual(user("E_BACKUP_NOT_FOUND"));
    await system.json("tenant", "backup", "strict");
    expect(await refused("tenant", "restore", "strict")).toEqual(user("E_CONFIRMATION"));
    const old = ["--at", "2020-01-01T00:00:00Z", "--yes"];
    expect(await refused("tenant", "restore", "strict", ...old)).toEqual(user("E_BACKUP_NOT_FOUND"));
    expect(await refused("tenant", "restore", "strict", "--at", "noon", "--yes")).toEqual(user("E_ARGUMENT"));
    expect(await refused("tenant", "restore", "strict", "--as", "strict")).toEqual(
      user("E_TENANT_SLUG_TAKEN"),
    );
    expect(await refused("tenant", "export", "nobody", "--to", join(application, "nobody.zip"))).toEqual(
      user("E_TENANT_NOT_FOUND"),
    );
    const noArchive = join(application, "app.ts");
    expect(await refused("tenant", "import", "fresh", "--from", noArchive)).toEqual(user("E_ARCHIVE_FORMAT"));
    const archive = join(application, "strict.zip");
    await system.json("tenant", "export", "strict", "--to", archive);
    const bytes = await readFile(archive);
    bytes[Math.floor(bytes.length / 3)] = (bytes[Math.floor(bytes.length / 3)] ?? 0) ^ 0xff;
    await writeFile(archive, bytes);
    expect(await refused("tenant", "import", "strict", "--from", archive, "--yes")).toEqual(
      user("E_ARCHIVE_DAMAGED"),
    );
    expect(await refused("tenant", "import", "fresh", "--from", archive)).toEqual(user("E_ARCHIVE_DAMAGED"));
    expect(await refused("tenant", "show", "fresh")).toEqual(user("E_TENANT_NOT_FOUND"));
    expect(await notes("strict")).toEqual(["one"]);
    expect(await readdir(application)).not.toContain("nobody.zip");
  }, 120_000);

  it("leaves no file that looks whole when its export breaks off", async () => {
    await create("large");
    for (let index = 0; index < 24; index++)
      await system.tenant("large", `/files/${index}`, { method: "PUT", body: randomBytes(2_000_000) });
    const folder = await mkdtemp(join(application, "export-"));
    const pid = (await system.status()).regions[0]!.controller.pid;
    const ended = system.cli("tenant", "export", "large", "--to", join(folder, "large.zip"), "--json");
    const sizes = async () =>
      Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
    // Some of it has arrived: now whoever sends it dies.
    while (!(await sizes()).some((size) => size > 1_000_000)) await sleep(2);
    process.kill(pid!, "SIGKILL");
    const { code, stdout } = await ended;
    expect({ code, error: JSON.parse(stdout).error.code }).toEqual({ code: 2, error: "E_NOT_RUNNING" });
    expect(await readdir(folder)).toEqual([]);
    // The one that takes its place sends it all.
    const whole = async () =>
      (await system.cli("tenant", "export", "large", "--to", join(folder, "large.zip"))).code;
    while ((await whole()) !== 0) await sleep(200);
    expect(await readdir(folder)).toEqual(["large.zip"]);
  }, 120_000);

  it("comes from an older release, and is brought up to the new one", async () => {
    await create("ancient");
    await write("ancient", "first");
    const archive = join(application, "ancient.zip");
    await system.json("tenant", "export", "ancient", "--to", archive);
    const backup = await system.json<BackupDocument>("tenant", "backup", "ancient");
    const sql = "ALTER TABLE notes ADD COLUMN stars integer NOT NULL DEFAULT 5;";
    await writeFile(join(application, "migrations", "0002_stars.sql"), sql);
    await system.cli("down");
    await system.up();
    const shown = (slug: string) => system.json<TenantDocument>("tenant", "show", slug);
    expect((await shown("ancient")).schemaVersion).toBe(2);
    await system.json("tenant", "import", "modern", "--from", archive, "--region", "eu-west-1");
    expect(await notes("modern")).toEqual(["first"]);
    expect((await shown("modern")).schemaVersion).toBe(2);
    await write("ancient", "second");
    await system.json("tenant", "restore", "ancient", "--backup", backup.id, "--yes");
    expect(await notes("ancient")).toEqual(["first"]);
    expect((await shown("ancient")).schemaVersion).toBe(2);
    expect(await write("ancient", "third")).toBe(201);

    // Back to the release before: what is newer than it is refused, and nothing changes.
    await system.json("tenant", "export", "modern", "--to", archive);
    await writeFile(join(application, "migrations", "0002_stars.sql"), "SELECT 1;");
    await system.cli("down");
    await system.up();
    const refused = await system.cli("tenant", "import", "future", "--from", archive, "--json");
    expect(refused.code).toBe(2);
    expect(refused.json<{ error: { code: string } }>().error.code).toBe("E_ARCHIVE_SCHEMA");
    expect((await system.cli("tenant", "show", "future")).code).toBe(2);
  }, 240_000);
});
