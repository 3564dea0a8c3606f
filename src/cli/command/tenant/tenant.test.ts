import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createTestApi, type TestApi } from "../../../../test/support/api.ts";
import { serveApi } from "../../../../test/support/api-state-folder.ts";
import { runCli, startCli } from "../../../../test/support/cli.ts";
import type { MemoryRegion } from "../../../../test/support/memory-region.ts";

let test: TestApi;
let state: Awaited<ReturnType<typeof serveApi>>;
let ireland: MemoryRegion;
let count = 0;

beforeAll(async () => {
  test = await createTestApi();
  state = await serveApi(test);
  ireland = test.regions.get("eu-west-1") as MemoryRegion;
});
beforeEach(() => {
  ireland.down = false;
  ireland.signups.failingStep = undefined;
});
afterAll(async () => {
  await state.dispose();
  await test.dispose();
});

function start(words: readonly string[], options: { terminal?: boolean } = {}) {
  return startCli([...words, "--state-dir", state.path], { workingDirectory: "/", ...options });
}

async function run(...words: string[]) {
  const cli = start(words);
  return { exitCode: await cli.exitCode, stdout: cli.stdout(), stderr: cli.stderr() };
}

function creation(changes: { slug?: string; name?: string; region?: string; plan?: string } = {}): string[] {
  const slug = changes.slug ?? `tenant-${++count}`;
  const { name = `Tenant ${count}`, region = "eu-west-1", plan = "starter" } = changes;
  const email = `ada@${slug}.example`;
  return ["tenant", "create", slug, "--name", name, "--region", region, "--plan", plan, "--email", email];
}

async function create(name?: string): Promise<string> {
  const words = creation(name === undefined ? {} : { name });
  expect(await run(...words)).toMatchObject({ exitCode: 0 });
  return words[2] as string;
}

describe("tenant create", () => {
  it("prints the tenant as JSON, and its steps on stderr", async () => {
    const { exitCode, stdout, stderr } = await run(...creation({ slug: "acme", name: "Acme Ltd" }), "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      slug: "acme",
      name: "Acme Ltd",
      region: "eu-west-1",
      plan: "starter",
      isolation: "schema",
      state: "active",
      schemaVersion: 1,
      url: "http://acme.localhost:8080/",
      createdAt: expect.stringMatching(/^\d{4}-/),
      durationMs: expect.any(Number),
    });
    expect(stderr).toMatch(/^(.+ …\n)*$/);
  });

  it("prints it for people", async () => {
    const { stdout } = await run(...creation({ name: "Müller & Söhne" }));
    expect(stdout).toMatch(/^name +Müller & Söhne$/m);
    expect(stdout).toMatch(/^Ready in \d+ ms\.$/m);
  });

  it.each([
    [{ slug: "Acme" }, 2, "E_TENANT_SLUG_INVALID"],
    [{ slug: "www" }, 2, "E_TENANT_SLUG_RESERVED"],
    [{ region: "eu-central-1" }, 2, "E_REGION_UNKNOWN"],
    [{ plan: "gold" }, 2, "E_PLAN_UNKNOWN"],
  ])("refuses %j", async (changes, exitCode, code) => {
    const result = await run(...creation(changes), "--json");
    expect(result.exitCode).toBe(exitCode);
    expect(JSON.parse(result.stdout)).toMatchObject({ error: { code } });
    const text = await run(...creation(changes));
    expect(text.stdout).toBe("");
    expect(text.stderr).toContain(`[${code}]`);
  });

  it("tells what the sign-up failed with, as a system fault", async () => {
    ireland.signups.failingStep = "seed";
    const { exitCode, stdout } = await run(...creation(), "--json");
    expect(exitCode).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        code: "E_SIGNUP_FAILED",
        message: expect.stringContaining("Filling in the first data failed"),
      },
    });
  });

  it("works as a process of its own, and ends", async () => {
    const words = [...creation(), "--json", "--state-dir", state.path];
    const { exitCode, stdout } = await runCli(words, { cwd: "/" });
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ state: "active" });
  });
});

describe("tenant list and show", () => {
  it("list all, or those of one region", async () => {
    const slug = await create();
    const all = JSON.parse((await run("tenant", "list", "--json")).stdout) as { slug: string }[];
    expect(all.map((tenant) => tenant.slug)).toEqual(
      (await test.directory.list()).map((entry) => entry.slug),
    );
    expect(JSON.parse((await run("tenant", "list", "--region", "us-east-1", "--json")).stdout)).toEqual([]);
    expect(JSON.parse((await run("tenant", "show", slug, "--json")).stdout)).toMatchObject({
      slug,
      state: "active",
    });
  });

  it("align their columns, and go on without a region that is down", async () => {
    const slug = await create();
    ireland.down = true;
    const lines = (await run("tenant", "list")).stdout.trimEnd().split("\n");
    const column = lines[0]?.indexOf("STATE") ?? -1;
    for (const line of lines.slice(1)) expect(line.slice(column - 1)).toMatch(/^ (active|closed|suspended) /);
    expect(lines.find((line) => line.startsWith(`${slug} `))).toContain("does not answer");
  });

  it("answer for an unknown slug with 2", async () => {
    const { exitCode, stdout } = await run("tenant", "show", "no/body", "--json");
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "E_TENANT_NOT_FOUND" } });
  });
});

describe("tenant suspend and resume", () => {
  it("change the state", async () => {
    const slug = await create();
    expect(JSON.parse((await run("tenant", "suspend", slug, "--json")).stdout)).toMatchObject({
      state: "suspended",
    });
    expect((await run("tenant", "resume", slug)).stdout).toBe(`The tenant ${slug} is active.\n`);
  });
});

describe("tenant move", () => {
  it("tells what it did, and the audit trail who wanted it", async () => {
    const slug = await create();
    const { exitCode, stdout } = await run("tenant", "move", slug, "--plan", "business");
    expect(exitCode).toBe(0);
    expect(stdout).toContain(`${slug} is served from eu-west-1 with the plan business (database)`);
    expect(stdout).toContain("Both copies were compared row by row.");
    const trail = await run("audit", "list", "--tenant", slug);
    expect(trail.stdout).toContain(`move ${slug}`);
    expect((await run("audit", "list", "--tenant", "nobody")).stdout).toContain("Nothing was decided.");
  });

  it("wants to know where to", async () => {
    const { exitCode, stdout } = await run("tenant", "move", await create(), "--json");
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "E_ARGUMENT" } });
  });
});

describe("tenant close", () => {
  it("refuses without a terminal, and changes nothing", async () => {
    const slug = await create();
    const { exitCode, stdout } = await run("tenant", "close", slug, "--json");
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: "E_CONFIRMATION", remedy: "Add --yes if you mean it." },
    });
    expect((await test.directory.find(slug))?.state).toBe("active");
  });

  it("goes on without asking when told so", async () => {
    const slug = await create();
    const { exitCode, stdout } = await run("tenant", "close", slug, "--yes", "--json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ slug, state: "closed" });
  });

  it.each([
    ["the slug", (slug: string) => `${slug}\n`, 0, "closed"],
    ["something else", () => "yes\n", 2, "active"],
  ])("asks on a terminal, and is answered with %s", async (_, answer, exitCode, after) => {
    const slug = await create("Acme Ltd");
    const cli = start(["tenant", "close", slug], { terminal: true });
    await expect.poll(cli.stderr).toContain(`deletes all data of ${slug} (Acme Ltd) in eu-west-1 for good`);
    cli.stdin.write(answer(slug));
    expect(await cli.exitCode).toBe(exitCode);
    expect((await test.directory.find(slug))?.state).toBe(after);
  });

  it("takes the end of the input for a no", async () => {
    const slug = await create();
    const cli = start(["tenant", "close", slug], { terminal: true });
    await expect.poll(cli.stderr).toContain("to go on");
    cli.stdin.end();
    expect(await cli.exitCode).toBe(2);
    expect((await test.directory.find(slug))?.state).toBe("active");
  });
});

describe("status", () => {
  it("shows what the API tells", async () => {
    const { stdout } = await run("status", "--json");
    expect(JSON.parse(stdout)).toMatchObject({
      pid: process.pid,
      regions: [{ name: "eu-west-1" }, { name: "us-east-1" }],
    });
    const text = (await run("status")).stdout;
    expect(text).toMatch(/^eu-west-1 +shared-1 +available +a:8100 running +b:8100 running +0 B$/m);
    expect(text).toMatch(/^us-east-1 +app +i-1 +a +running +healthy +abcdef123456 +127\.0\.0\.1:8200 +3$/m);
  });

  it("says that Rowhouse is still starting before there is a token", async () => {
    const other = await serveApi(test);
    await rm(join(other.path, "operator-token"));
    const cli = startCli(["status", "--json", "--state-dir", other.path], { workingDirectory: "/" });
    expect(await cli.exitCode).toBe(2);
    expect(JSON.parse(cli.stdout())).toMatchObject({
      error: { code: "E_NOT_RUNNING", message: expect.stringContaining("still starting") },
    });
    await other.dispose();
  });
});
