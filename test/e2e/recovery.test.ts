import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { FailBackOutcome, FailOverOutcome } from "../../src/control/recovery/outcome.ts";
import type { RegionDocument } from "../../src/control/regions/document.ts";
import { docCommands, runDocCommand } from "../support/doc-commands.ts";
import { loseRegion, processesOfRegion } from "../support/lost-region.ts";
import { createSystem, repository, type System } from "../support/system.ts";

const slugs = ["north", "south", "big"] as const;
const ofGone = ["--plan", "starter", "--email", "o@gone.example"];
const patience = { timeout: 60_000, interval: 100 };

describe.runIf(process.platform === "linux")("a region that is lost", () => {
  let system: System;
  /** When each acknowledged write was acknowledged. */
  const acknowledged = new Map<string, number>();

  beforeAll(async () => {
    system = await createSystem();
    await system.up();
    for (const [slug, plan] of [
      ["north", "starter"],
      ["south", "business"],
      ["big", "enterprise"],
    ] as const)
      await system.json(
        ...["tenant", "create", slug, "--name", `${slug} Ltd`, "--region", "eu-west-1", "--plan", plan],
        ...["--email", `o@${slug}.example`],
      );
    await system.json("tenant", "create", "gone", "--name", "Gone", "--region", "eu-west-1", ...ofGone);
    await system.json("tenant", "close", "gone", "--yes");
  }, 180_000);
  afterAll(() => system.dispose(), 120_000);

  async function write(slug: string, title: string): Promise<number> {
    const response = await system
      .tenant(slug, "/api/books", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ title, author: "A" }),
      })
      .catch(() => undefined);
    if (response?.status === 201) acknowledged.set(`${slug}/${title}`, performance.now());
    await response?.body?.cancel();
    return response?.status ?? 0;
  }

  async function titlesOf(slug: string): Promise<string[]> {
    const response = await system.tenant(slug, "/api/books?limit=1000000");
    expect(response.status).toBe(200);
    const { books } = (await response.json()) as { books: { title: string }[] };
    return books.map(({ title }) => `${slug}/${title}`);
  }

  const regionOf = async (slug: string) => {
    const response = await system.tenant(slug, "/api/books?limit=1");
    await response.body?.cancel();
    return response.status === 200 ? response.headers.get("x-rowhouse-region") : response.status;
  };
  const regions = async () =>
    Object.fromEntries((await system.json<RegionDocument[]>("region", "list")).map((one) => [one.name, one]));

  /** Commands of the page, so that neither can drift from the other. */
  async function run<T>(command: string): Promise<T> {
    expect(await docCommands("docs/recovering.md")).toContain(command);
    const result = await runDocCommand(system, `${command} --json`);
    if (result.code !== 0) throw new Error(`${command}: ${result.stdout}${result.stderr}`);
    return result.json<T>();
  }

  it("has a standby of each of its servers in its recovery region, which does not run", async () => {
    const standbys = async () =>
      (await processesOfRegion(system, "eu-central-1"))
        .filter(({ name }) => name.includes(".replica."))
        .map(({ labels }) => labels.server?.replace(/-.*/, ""))
        .toSorted();
    await expect.poll(standbys, patience).toEqual(["shared", "tenant"]);
    expect((await regions())["eu-central-1"]?.status).toBe("absent");
  }, 90_000);

  it("is not given up while it serves, without a recovery region, or when nobody knows it", async () => {
    for (const [name, code] of [
      ["eu-west-1", "E_REGION_HEALTHY"],
      ["us-east-1", "E_REGION_NO_RECOVERY"],
      ["mars-1", "E_REGION_UNKNOWN"],
    ] as const) {
      const refused = await system.cli("region", "fail-over", name, "--yes", "--json");
      expect([name, refused.code, refused.json<{ error: { code: string } }>().error.code]).toEqual([
        name,
        2,
        code,
      ]);
    }
    const unasked = await system.cli("region", "fail-over", "eu-west-1", "--json");
    expect(unasked.code).toBe(2);
  }, 60_000);

  it("comes back elsewhere with all that had arrived there", async () => {
    await system.tenant("north", "/api/books/1/cover", {
      method: "PUT",
      body: "a cover",
      headers: { "content-type": "image/png" },
    });
    let stopped = false;
    onTestFinished(() => {
      stopped = true;
    });
    const writers = slugs.map(async (slug) => {
      for (let count = 0; !stopped; count++) await write(slug, `before ${count}`);
    });
    await expect.poll(() => acknowledged.size, patience).toBeGreaterThan(100);
    const copied = async () =>
      (await processesOfRegion(system, "eu-central-1")).filter(({ name }) => name.includes(".replica."))
        .length;
    expect(await copied()).toBe(2);
    const loss = await loseRegion(system, "eu-west-1");
    const lostAt = performance.now();
    const outcome = await run<FailOverOutcome>("rowhouse region fail-over eu-west-1 --yes").finally(() =>
      loss.stop(),
    );
    stopped = true;
    await Promise.all(writers);

    expect(outcome).toMatchObject({
      region: "eu-west-1",
      to: "eu-central-1",
      tenants: 3,
      failed: [],
      fromBackup: [],
    });
    const present = new Set((await Promise.all(slugs.map(titlesOf))).flat());
    const lost = [...acknowledged].filter(([title]) => !present.has(title));
    console.log(
      `fail-over: ${JSON.stringify(outcome)}; ${lost.length} of ${acknowledged.size} acknowledged writes lost`,
    );
    const rpo = outcome.rpoSeconds ?? Number.NaN;
    expect(rpo).toBeLessThan(30);
    for (const [title, at] of lost) expect([title, (lostAt - at) / 1000 <= rpo]).toEqual([title, true]);
    for (const slug of slugs) expect(await regionOf(slug)).toBe("eu-central-1");
    expect(await write("north", "after")).toBe(201);
    const shown = await system.json<{ name: string; region: string }>("tenant", "show", "north");
    expect(shown).toMatchObject({ name: "north Ltd", region: "eu-central-1" });
    const again = await system.json<FailOverOutcome>("region", "fail-over", "eu-west-1", "--yes");
    expect(again).toEqual(outcome);
  }, 120_000);

  it("took the last exports of closed tenants along", async () => {
    const file = join(system.stateDirectory, "gone.zip");
    await system.json("tenant", "export", "gone", "--to", file);
    expect((await readFile(file)).subarray(0, 2).toString()).toBe("PK");
    expect(await system.json("tenant", "certificate", "gone")).toMatchObject({ genuine: true });
  }, 60_000);

  it("can't serve when it is started again, and takes no sign-up", async () => {
    await system.cli("down");
    await system.up();
    expect(await regions()).toMatchObject({
      "eu-west-1": { status: "fenced", failedOverTo: "eu-central-1", tenants: 0 },
      "eu-central-1": { status: "ready", tenants: 3 },
    });
    expect((await processesOfRegion(system, "eu-west-1")).map(({ name }) => name)).toEqual([
      "eu-west-1.controller",
    ]);
    for (const slug of slugs) expect(await regionOf(slug)).toBe("eu-central-1");
    const late = await system
      .tenant("north", "/api/books", { at: system.balancerUrl("eu-west-1") })
      .catch(() => 0);
    expect(late).toBe(0);
    const refused = await system.cli(
      ...["tenant", "create", "late", "--name", "Late", "--region", "eu-west-1", "--plan", "starter"],
      ...["--email", "o@late.example", "--json"],
    );
    expect(refused.json()).toMatchObject({ error: { code: "E_REGION_LOST" } });
  }, 120_000);

  it("comes back into service empty, and gets its tenants back while they are served", async () => {
    const before = await Promise.all(slugs.map(titlesOf));
    const outcome = await run<FailBackOutcome>("rowhouse region fail-back eu-west-1 --yes");
    console.log(`fail-back: ${JSON.stringify(outcome)}`);
    expect(outcome).toMatchObject({ region: "eu-west-1", from: "eu-central-1", tenants: 3, failed: [] });
    for (const slug of slugs) expect(await regionOf(slug)).toBe("eu-west-1");
    expect(await Promise.all(slugs.map(titlesOf))).toEqual(before);
    expect(await write("south", "back home")).toBe(201);
    expect(await run<RegionDocument[]>("rowhouse region list")).toMatchObject([
      { name: "eu-west-1", status: "ready", failedOverTo: null, tenants: 3 },
      { name: "eu-central-1", status: "ready", tenants: 0 },
      {},
    ]);
    const standbys = async () =>
      (await processesOfRegion(system, "eu-central-1")).filter(({ name }) => name.includes(".replica."))
        .length;
    await expect.poll(standbys, patience).toBe(2);
  }, 180_000);
});

describe.runIf(process.platform === "linux")("a region without standbys that is lost", () => {
  let application: string;
  let system: System;

  beforeAll(async () => {
    application = await mkdtemp(join(tmpdir(), "rowhouse-recovery-"));
    await cp(join(repository, "examples/bookshop"), application, { recursive: true });
    await symlink(join(repository, "node_modules"), join(application, "node_modules"));
    const config = join(application, "rowhouse.config.ts");
    const text = await readFile(config, "utf8");
    const without = text.replace(
      'recovery: "eu-central-1"',
      'recovery: "eu-central-1", recoveryStandby: false',
    );
    expect(without).not.toBe(text);
    await writeFile(config, without);
    system = await createSystem({ config });
    await system.up();
    await system.json(
      ...["tenant", "create", "acme", "--name", "Acme", "--region", "eu-west-1", "--plan", "business"],
      ...["--email", "o@acme.example"],
    );
  }, 180_000);
  afterAll(async () => {
    await system.dispose();
    await rm(application, { recursive: true, force: true });
  }, 120_000);

  const add = async (title: string) => {
    const response = await system.tenant("acme", "/api/books", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ title, author: "A" }),
    });
    await response.body?.cancel();
    expect(response.status).toBe(201);
  };
  const titles = async () => {
    const response = await system.tenant("acme", "/api/books?limit=1000");
    if (response.status !== 200) return [];
    const { books } = (await response.json()) as { books: { title: string }[] };
    return books.map(({ title }) => title);
  };
  interface Backups {
    readonly backups: readonly { readonly id: string; readonly copiedAt: string | null }[];
  }

  it("comes back from its backups, although the control plane is killed in the middle", async () => {
    await add("before the backup");
    const backup = await system.json<{ id: string }>("tenant", "backup", "acme");
    const isCopied = async () => {
      const response = await system.api("/v1/tenants/acme/backups");
      const body = (await response.json()) as Backups | Backups["backups"];
      const backups = "backups" in body ? body.backups : body;
      return backups.some(({ id, copiedAt }) => id === backup.id && copiedAt !== null);
    };
    await expect.poll(isCopied, { timeout: 90_000, interval: 500 }).toBe(true);
    await add("after the backup");
    expect(await processesOfRegion(system, "eu-central-1")).toEqual([]);
    const loss = await loseRegion(system, "eu-west-1");
    const { pid } = await system.status();
    try {
      const path = "/v1/regions/eu-west-1/fail-over?wait=0";
      expect((await system.api(path, { method: "POST", body: "{}" })).status).toBe(202);
      process.kill(pid, "SIGKILL");
    } finally {
      await loss.stop();
    }
    await system.up();
    const read = async () => {
      const answer = await system.api("/v1/regions/eu-west-1/fail-over");
      return answer.status === 200 ? ((await answer.json()) as FailOverOutcome) : undefined;
    };
    await expect.poll(read, { timeout: 90_000, interval: 200 }).toBeDefined();
    const outcome = await read();
    console.log(`fail-over from a backup: ${JSON.stringify(outcome)}`);
    expect(outcome).toMatchObject({
      tenants: 1,
      rpoSeconds: null,
      failed: [],
      fromBackup: [{ slug: "acme" }],
      mail: null,
      messages: null,
    });
    expect(outcome?.fromBackup[0]?.rpoSeconds).toBeGreaterThan(0);
    await expect.poll(titles, patience).toContain("before the backup");
    expect(await titles()).not.toContain("after the backup");
    await add("in the recovery region");
  }, 240_000);
});
