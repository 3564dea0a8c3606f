import { execFile, spawn } from "node:child_process";
import { appendFile, mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freeBasePort } from "../../test/support/base-port.ts";
import { packageRoot, runCli } from "../../test/support/cli.ts";
import { processIdentity } from "../embedded/process-identity.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { lockState } from "../embedded/supervisor-lock.ts";

let folder: string;

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), "rowhouse-test-cli-")));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Exactly one JSON document, and nothing else. */
function onlyJson(stdout: string): unknown {
  expect(stdout.endsWith("\n")).toBe(true);
  expect(stdout.trimEnd()).not.toContain("\n");
  return JSON.parse(stdout);
}

describe("usage", () => {
  const commands = [
    "up",
    "down",
    "status",
    "doctor",
    "logs",
    "new",
    ...["create", "list", "show", "suspend", "resume", "close"].map((verb) => `tenant ${verb}`),
  ];

  it.each(commands)("%s has help with an example", async (command) => {
    const { exitCode, stdout, stderr } = await runCli([...command.split(" "), "--help"], { cwd: folder });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout).toContain(`Usage: rowhouse ${command} `);
    expect(stdout).toMatch(new RegExp(`Example:\n  \\S*rowhouse ${command}`));
    for (const option of ["--json", "--config", "--state-dir"]) expect(stdout).toContain(option);
  });

  it("tells its version", async () => {
    expect((await runCli(["--version"], { cwd: folder })).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(onlyJson((await runCli(["--version", "--json"], { cwd: folder })).stdout)).toHaveProperty(
      "version",
    );
  });

  it.each([
    [["statsu"], /Did you mean status\?/],
    [["tenant", "lsit"], /Did you mean list\?/],
    [["up", "--prot", "1"], /Did you mean --port\?/],
    [["up", "--port", "x"], /must be a number/],
    [["up", "--port", "10080"], /No browser opens a page at port 10080/],
    [["up", "--port", "6656"], /No browser opens a page at port 6666/],
    [["tenant", "create", "acme"], /--name/],
    [["tenant", "show"], /slug/],
    [["status", "extra"], /too many arguments/i],
    [[], /A command is missing/],
    [["tenant"], /A command is missing/],
  ])("refuses %j with 2, as text and as JSON", async (words, message) => {
    const asJson = await runCli([...words, "--json"], { cwd: folder });
    expect(asJson.exitCode).toBe(2);
    expect(onlyJson(asJson.stdout)).toEqual({
      error: { code: "E_ARGUMENT", message: expect.stringMatching(message), remedy: expect.any(String) },
    });
    const asText = await runCli(words, { cwd: folder });
    expect(asText).toMatchObject({ exitCode: 2, stdout: "" });
    expect(asText.stderr).toMatch(words.length > 0 && words.join() !== "tenant" ? message : /Usage:/);
  });
});

describe("config", () => {
  it.each([
    ["no file", undefined, "E_CONFIG_NOT_FOUND", /No rowhouse\.config\.ts/],
    ["a syntax error", "\nexport default {\n  app: = 1,\n};\n", "E_CONFIG", /rowhouse\.config\.ts:3: /],
    [
      "what type stripping can't do",
      "enum Color { Red }\nexport default {};\n",
      "E_CONFIG",
      /rowhouse\.config\.ts:1: .*enum/,
    ],
    [
      "a fault while it runs",
      "\n\nthrow new Error('no luck.');\n",
      "E_CONFIG",
      /rowhouse\.config\.ts:3: no luck\. /,
    ],
    ["an unknown package", 'import "no-such-package";\n', "E_CONFIG", /no-such-package.*npm install/],
    ["no default export", "export const config = {};\n", "E_CONFIG", /exports no config/],
    [
      "an unknown key",
      'export default { app: "x", domian: "a.example" };\n',
      "E_CONFIG",
      /domian: unknown key, did you mean "domain"\?/,
    ],
  ])("tells %s", async (name, content, code, message) => {
    const cwd = join(folder, name.replaceAll(/\W/g, "-"));
    await mkdir(cwd);
    if (content !== undefined) await writeFile(join(cwd, "rowhouse.config.ts"), content);
    const { exitCode, stdout, stderr } = await runCli(["up", "--json"], { cwd });
    expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: "" });
    expect(onlyJson(stdout)).toMatchObject({ error: { code, message: expect.stringMatching(message) } });
  });

  it("names a file that is not there", async () => {
    const { exitCode, stderr } = await runCli(["up", "--config", "elsewhere.ts"], { cwd: folder });
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`There is no file ${join(folder, "elsewhere.ts")}. [E_CONFIG_NOT_FOUND]`);
  });
});

describe("new", () => {
  it("writes an application whose config loads, from any folder below it", async () => {
    const made = await runCli(["new", "guests", "--json"], { cwd: folder });
    expect(made.exitCode).toBe(0);
    expect(onlyJson(made.stdout)).toMatchObject({ name: "guests", folder: join(folder, "guests") });
    const { exitCode, stdout } = await runCli(["doctor", "--json", "--port", String(await freeBasePort())], {
      cwd: join(folder, "guests", "migrations"),
    });
    expect(exitCode).toBe(0);
    expect(onlyJson(stdout)).toContainEqual({
      check: "config",
      status: "ok",
      detail: join(folder, "guests", "rowhouse.config.ts"),
    });
  });

  it("leaves a folder alone that holds something", async () => {
    await mkdir(join(folder, "used"));
    await writeFile(join(folder, "used", "thesis.txt"), "");
    const { exitCode, stderr } = await runCli(["new", "used"], { cwd: folder });
    expect(exitCode).toBe(2);
    expect(stderr).toContain("There is something in");
  });
});

describe("without a running Rowhouse", () => {
  it.each([["status"], ["tenant", "list"], ["tenant", "close", "acme", "--yes"]])(
    "%s %s says so",
    async (...words) => {
      const state = join(folder, "nothing-here");
      const { exitCode, stdout } = await runCli([...words, "--json", "--state-dir", state], { cwd: folder });
      expect(exitCode).toBe(2);
      expect(onlyJson(stdout)).toMatchObject({ error: { code: "E_NOT_RUNNING" } });
    },
  );

  it("doctor ends with 1 when something fails", async () => {
    const { exitCode, stdout } = await runCli(["doctor", "--json"], { cwd: folder });
    expect(exitCode).toBe(1);
    expect(onlyJson(stdout)).toContainEqual(expect.objectContaining({ check: "config", status: "fail" }));
  });

  it("up --detach tells what its process failed with, and leaves none behind", async () => {
    await runCli(["new", "locked"], { cwd: folder });
    const state = new StateFolder(join(folder, "locked", ".rowhouse"));
    await state.create();
    const lock = await lockState(state, { url: "", apiUrl: "", basePort: 1 });
    const { exitCode, stdout } = await runCli(["up", "--detach", "--json"], { cwd: join(folder, "locked") });
    await lock.release();
    expect(exitCode).toBe(2);
    expect(onlyJson(stdout)).toMatchObject({ error: { code: "E_STATE_LOCKED" } });
    const { stdout: processes } = await promisify(execFile)("ps", ["-A", "-o", "args="]);
    expect(processes).not.toContain(`--state-dir ${state.path}`);
  });
});

describe("bin/rowhouse", () => {
  async function followLogs() {
    const words = ["logs", "--follow", "--state-dir", join(folder, "followed")];
    await mkdir(join(folder, "followed", "logs"), { recursive: true });
    await writeFile(join(folder, "followed", "logs", "a.log"), "ready\n");
    const wrapper = spawn(`${packageRoot}/bin/rowhouse`, words, {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => wrapper.stdout.once("data", resolve));
    const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]);
    const rows = stdout
      .trim()
      .split("\n")
      .map((row) => row.trim().split(/\s+/).map(Number));
    const inner = rows.find(([, parent]) => parent === wrapper.pid)?.[0] as number;
    expect(processIdentity(inner)).toBeDefined();
    const exited = new Promise((resolve) =>
      wrapper.once("exit", (code, signal) => resolve({ code, signal })),
    );
    return { wrapper, inner, exited };
  }

  it.each(["SIGINT", "SIGTERM"] as const)("passes %s on, and the exit code back", async (signal) => {
    const { wrapper, inner, exited } = await followLogs();
    wrapper.kill(signal);
    expect(await exited).toEqual({ code: 0, signal: null });
    expect(processIdentity(inner)).toBeUndefined();
  });

  it("leaves no orphan when it is killed", async () => {
    const { wrapper, inner, exited } = await followLogs();
    wrapper.kill("SIGKILL");
    await exited;
    await expect.poll(() => processIdentity(inner), { timeout: 5000 }).toBeUndefined();
  });

  it("ends as the inner process was ended", async () => {
    const { inner, exited } = await followLogs();
    process.kill(inner, "SIGKILL");
    expect(await exited).toEqual({ code: null, signal: "SIGKILL" });
  });

  it("fails when its output is lost", async () => {
    const command = `${packageRoot}/bin/rowhouse --version > /dev/full`;
    await expect(promisify(execFile)("/bin/sh", ["-c", command], { cwd: folder })).rejects.toMatchObject({
      code: 1,
    });
  });

  it("follows no longer than it is read", async () => {
    const { wrapper, exited } = await followLogs();
    wrapper.stdout.destroy();
    const log = join(folder, "followed", "logs", "a.log");
    const writing = setInterval(() => void appendFile(log, "more\n"), 100);
    const end = await exited.finally(() => clearInterval(writing));
    expect(end).toEqual({ code: 0, signal: null });
  });

  it("is quiet when its reader has had enough", async () => {
    const command = `${packageRoot}/bin/rowhouse --help | head -n 1`;
    const { stdout, stderr } = await promisify(execFile)("/bin/sh", ["-c", command], { cwd: folder });
    expect({ stdout, stderr }).toEqual({ stdout: "Usage: rowhouse [options] [command]\n", stderr: "" });
  });
});
