import { existsSync } from "node:fs";
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RegionDocument } from "../../src/control/regions/document.ts";
import { createSystem, type System } from "../support/system.ts";

const bookshop = fileURLToPath(new URL("../../examples/bookshop", import.meta.url));
const repository = fileURLToPath(new URL("../..", import.meta.url));

/** The bookshop in a folder of its own, where its config may be changed. */
async function copyBookshop(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-regions-"));
  await cp(bookshop, folder, { recursive: true });
  await symlink(join(repository, "node_modules"), join(folder, "node_modules"));
  return folder;
}

describe("regions", () => {
  let application: string;
  let config: string;
  let system: System;
  beforeAll(async () => {
    application = await copyBookshop();
    config = join(application, "rowhouse.config.ts");
    system = await createSystem({ config });
    await system.up();
  }, 120_000);
  afterAll(async () => {
    await system.dispose();
    await rm(application, { recursive: true, force: true });
  }, 60_000);

  const regions = () => system.json<RegionDocument[]>("region", "list");
  const statuses = async () =>
    Object.fromEntries((await regions()).map(({ name, status }) => [name, status]));
  const signUp = (slug: string, region: string) =>
    system.cli(
      ...["tenant", "create", slug, "--name", slug, "--region", region, "--plan", "starter"],
      ...["--email", `o@${slug}.example`, "--json"],
    );
  const choices = async () => {
    const answer = await fetch(`${system.url}/signup/options`);
    return ((await answer.json()) as { regions: { name: string }[] }).regions.map(({ name }) => name);
  };
  const regionFolder = (name: string) => join(system.stateDirectory, "regions", name);
  async function kill(pid: number): Promise<void> {
    process.kill(pid, "SIGKILL");
    await expect
      .poll(() => existsSync(`/proc/${pid}/stat`) && readFile(`/proc/${pid}/stat`, "utf8"))
      .toSatisfy((stat: string | false) => stat === false || stat.includes(") Z "));
  }

  it("lists those that the config names, started or not", async () => {
    expect(await regions()).toMatchObject([
      { name: "eu-west-1", jurisdiction: "EU", status: "ready", zones: ["a", "b"], recovery: "eu-central-1" },
      { name: "eu-central-1", jurisdiction: "EU", status: "absent", recovery: null, tenants: 0 },
      { name: "us-east-1", jurisdiction: "US", status: "ready", drift: [] },
    ]);
    expect(await choices()).toEqual(["eu-west-1", "us-east-1"]);
    expect((await signUp("early", "eu-central-1")).json()).toMatchObject({
      error: { code: "E_REGION_UNKNOWN" },
    });
  });

  it("creates one while the system runs, which then takes tenants, and stays over `down` and `up`", async () => {
    const result = await system.cli("region", "create", "eu-central-1", "--json");
    expect(result.json()).toMatchObject({ name: "eu-central-1", status: "ready", drift: [], tenants: 0 });
    expect(result.stderr).toMatch(/controller[\s\S]*databases ready[\s\S]*takes sign-ups/);
    expect(await choices()).toEqual(["eu-west-1", "eu-central-1", "us-east-1"]);
    expect((await signUp("berlin", "eu-central-1")).code).toBe(0);
    const books = await system.tenant("berlin", "/api/books");
    expect(books.status).toBe(200);
    expect(books.headers.get("x-rowhouse-region")).toBe("eu-central-1");

    const again = await system.json<RegionDocument>("region", "create", "eu-central-1");
    expect(again).toMatchObject({ status: "ready", tenants: 1 });
    await system.json("down");
    await system.up();
    expect(await statuses()).toEqual({ "eu-west-1": "ready", "eu-central-1": "ready", "us-east-1": "ready" });
    expect((await system.tenant("berlin", "/api/books")).status).toBe(200);
  }, 120_000);

  it("refuses to delete one where a tenant lives, in whatever state", async () => {
    for (const verb of ["", "suspend"]) {
      if (verb) await system.json("tenant", verb, "berlin");
      const refused = await system.cli("region", "delete", "eu-central-1", "--yes", "--json");
      expect(refused.code).toBe(2);
      expect(refused.json()).toMatchObject({ error: { code: "E_REGION_IN_USE" } });
    }
    const api = await system.api("/v1/regions/eu-central-1", { method: "DELETE" });
    expect(await api.json()).toMatchObject({
      code: "E_REGION_IN_USE",
      detail: expect.stringContaining("berlin"),
    });
    expect((await signUp("munich", "eu-central-1")).code).toBe(0);
    for (const slug of ["berlin", "munich"]) await system.json("tenant", "close", slug, "--yes");
  }, 60_000);

  it("asks before it deletes one", async () => {
    const refused = await system.cli("region", "delete", "eu-central-1", "--json");
    expect(refused.json()).toMatchObject({ error: { code: "E_CONFIRMATION" } });
    expect((await statuses())["eu-central-1"]).toBe("ready");
  });

  it("finishes a deletion after a crash in its middle, and leaves nothing of the region", async () => {
    const { pid } = await system.status();
    const begun = await system.api("/v1/regions/eu-central-1?wait=0", { method: "DELETE" });
    expect(begun.status).toBe(202);
    await expect
      .poll(() => readFile(join(system.stateDirectory, "stacks.json"), "utf8"), {
        interval: 5,
        timeout: 20_000,
      })
      .toContain("deleting");
    await kill(pid);
    await system.up();
    expect((await statuses())["eu-central-1"]).toBe("absent");
    // eu-west-1, which it recovers, keeps copies there all the while.
    const kept = await readdir(regionFolder("eu-central-1")).catch(() => []);
    for (const own of ["instances", "releases", "balancer"]) expect(kept).not.toContain(own);
    for (const place of ["logs", "processes"]) {
      const left = await readdir(join(system.stateDirectory, place));
      expect(left.filter((name) => name.startsWith("eu-central-1."))).toEqual([]);
    }
    expect(await choices()).toEqual(["eu-west-1", "us-east-1"]);
    expect((await signUp("late", "eu-central-1")).json()).toMatchObject({
      error: { code: "E_REGION_UNKNOWN" },
    });
    expect((await system.tenant("berlin", "/")).status).toBe(410);
  }, 120_000);

  it("finishes a creation after a crash in its middle, of one that was deleted before", async () => {
    const { pid } = await system.status();
    await system.api("/v1/regions?wait=0", {
      method: "POST",
      body: JSON.stringify({ name: "eu-central-1" }),
    });
    await expect
      .poll(() => readFile(join(system.stateDirectory, "stacks.json"), "utf8"), {
        interval: 5,
        timeout: 20_000,
      })
      .toContain("creating");
    await kill(pid);
    await system.up();
    expect((await statuses())["eu-central-1"]).toBe("ready");
    expect((await signUp("hamburg", "eu-central-1")).code).toBe(0);
    expect((await system.tenant("hamburg", "/api/books")).status).toBe(200);
  }, 120_000);

  it("tells what to write for a region that the config does not name, and takes it over once it does", async () => {
    const refused = await system.cli("region", "create", "ap-southeast-2", "--json");
    expect(refused.code).toBe(2);
    expect(refused.json()).toMatchObject({
      error: {
        code: "E_REGION_UNKNOWN",
        remedy: expect.stringContaining('"ap-southeast-2": { jurisdiction:'),
      },
    });
    const text = await readFile(config, "utf8");
    const line = '"ap-southeast-2": { jurisdiction: "AU", zones: ["a", "b"], start: false },';
    const first = text.replace('"eu-west-1":', `${line}\n    "eu-west-1":`);
    await writeFile(config, first);
    expect((await system.cli("region", "create", "ap-southeast-2", "--json")).json()).toMatchObject({
      error: { code: "E_CONFIG", message: expect.stringContaining("behind us-east-1") },
    });
    await writeFile(config, text.replace(/("us-east-1": .*)\n/, `$1\n    ${line}\n`));
    const before = await system.status();
    expect(await system.json("region", "create", "ap-southeast-2")).toMatchObject({
      status: "ready",
      jurisdiction: "AU",
    });
    expect((await signUp("sydney", "ap-southeast-2")).code).toBe(0);
    // What runs is the same after a crash, too: the settings are those of the file.
    await kill(before.pid);
    await system.up();
    const controllers = (await system.status()).regions.map(({ controller }) => controller.pid);
    expect(controllers.slice(0, 3)).toEqual(before.regions.map(({ controller }) => controller.pid));
    expect((await system.tenant("sydney", "/api/books")).status).toBe(200);
  }, 120_000);

  it("keeps a region deleted that the config starts, until it is created again", async () => {
    await system.json("region", "delete", "us-east-1", "--yes");
    await system.json("down");
    await system.up();
    expect((await statuses())["us-east-1"]).toBe("absent");
    expect(await system.json("region", "create", "us-east-1")).toMatchObject({ status: "ready" });
    expect((await signUp("boston", "us-east-1")).code).toBe(0);
  }, 120_000);
});
