import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask } from "../../src/testing/ask.ts";
import { freeBasePort } from "../support/base-port.ts";

const clone = join(import.meta.dirname, "../..");
const execute = promisify(execFile);

/** With the Node that runs the tests: a package brings none. */
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

/** Each builds, packs or starts everything, on a machine that other tests may keep busy. */
const timeout = 180_000;

describe("the package", { timeout }, () => {
  let folder: string;
  /** What a user has: a folder with a space in its name, the package installed in it, and a new application. */
  let project: string;
  let shop: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rowhouse-package-"));
    project = join(folder, "my projects");
    shop = join(project, "shop");
    await execute(process.execPath, [join(clone, "build.ts"), folder]);
    const packed = await execute("npm", ["pack", "--json", join(folder, "package")], { cwd: folder, env });
    const tarball = join(folder, readTarballName(packed.stdout));
    const installed = join(project, "node_modules/rowhouse");
    await mkdir(installed, { recursive: true });
    await execute("tar", ["-xzf", tarball, "-C", installed, "--strip-components", "1"]);
    await linkDependencies(installed, project);
    await rowhouse(project, "new", "shop");
  }, timeout);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const rowhouse = async (cwd: string, ...args: string[]) => {
    const command = join(project, "node_modules/rowhouse/bin/rowhouse");
    return JSON.parse((await execute(command, [...args, "--json"], { cwd, env })).stdout);
  };

  it("makes an application that depends on it", async () => {
    const { version } = JSON.parse(await readFile(join(clone, "package.json"), "utf8"));
    const { dependencies } = JSON.parse(await readFile(join(shop, "package.json"), "utf8"));
    expect(dependencies).toEqual({ rowhouse: `^${version}` });
  });

  it("has types for an application, its config and its tests", async () => {
    await writeFile(join(shop, "app.test.ts"), applicationTest);
    const options = [
      "--noEmit",
      "--allowImportingTsExtensions",
      "--strict",
      "--target",
      "es2024",
      "--module",
      "nodenext",
      "--types",
      "node",
    ];
    const files = ["app.ts", "rowhouse.config.ts", "app.test.ts"];
    const compiler = join(clone, "node_modules/typescript/bin/tsc");
    const { stdout } = await execute(process.execPath, [compiler, ...options, ...files], { cwd: shop }).catch(
      (error: { stdout: string }) => error,
    );
    expect(stdout).toBe("");
  });

  it("gives the application's own tests a tenant", async () => {
    const { stdout } = await execute(process.execPath, ["--test", "--test-reporter=tap"], { cwd: shop, env });
    expect(stdout).toMatch(/^# pass 1$/m);
  });

  it("runs the application", async () => {
    const port = await freeBasePort();
    try {
      const up = await rowhouse(shop, "up", "--detach", "--port", String(port));
      expect(up.regions).toMatchObject([{ name: "eu-west-1", status: "ready" }]);
      const created = await rowhouse(
        shop,
        ...["tenant", "create", "acme", "--name", "Acme", "--email", "ada@acme.example"],
        ...["--region", "eu-west-1", "--plan", "starter"],
      );
      expect(created).toMatchObject({ slug: "acme", state: "active" });
      const page = await ask({ host: "127.0.0.1", port }, new URL(`http://acme.localhost:${port}/`));
      expect(page.status).toBe(200);
      expect(await page.text()).toContain("Welcome!");
      const signup = await ask({ host: "127.0.0.1", port }, new URL(`http://localhost:${port}/`));
      expect(signup.headers.get("content-type")).toContain("text/html");
    } finally {
      await rowhouse(shop, "down");
    }
  });
});

const applicationTest = `import assert from "node:assert/strict";
import { test } from "node:test";
import { testTenant } from "rowhouse/testing";
import app from "./app.ts";

test("welcomes", async () => {
  const tenant = await testTenant(app, { name: "Acme" });
  const response = await tenant.request("/");
  assert.match(await response.text(), /Welcome!/);
  const { rows } = await tenant.db.query<{ count: string }>("SELECT count(*) FROM entries");
  assert.equal(rows[0]?.count, "1");
  await tenant.close();
});
`;

/** npm 11 answers with a list of packages, npm 12 with an object of them. */
function readTarballName(json: string): string {
  const [packed] = Object.values(JSON.parse(json) as Record<string, { filename: string }>);
  return packed!.filename;
}

/** Installs what the package names, and nothing else, without a network: the clone has it all. */
async function linkDependencies(installed: string, project: string): Promise<void> {
  const { dependencies, optionalDependencies } = JSON.parse(
    await readFile(join(installed, "package.json"), "utf8"),
  ) as Record<string, Record<string, string>>;
  const wanted = [...Object.keys({ ...dependencies, ...optionalDependencies }), "@types/node"];
  for (const name of wanted) {
    const link = join(project, "node_modules", name);
    await mkdir(dirname(link), { recursive: true });
    await symlink(join(clone, "node_modules", name), link);
  }
}
