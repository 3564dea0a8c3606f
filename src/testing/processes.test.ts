import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createConnection } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { runsFolders } from "./folders.ts";

const program = fileURLToPath(new URL("../../test/support/testing-process.ts", import.meta.url));
const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill("SIGKILL");
});

interface TestProcess {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  readonly pid: number;
  readonly port: number;
}

async function startProcess(...args: string[]): Promise<TestProcess> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.push(child);
  const exited = once(child, "exit");
  const said = once(createInterface({ input: child.stdout }), "line") as Promise<[string]>;
  const ended = exited.then(() => Promise.reject(new Error("The process ended without a tenant.")));
  const [line] = await Promise.race([said, ended]);
  ended.catch(() => {});
  const { port } = JSON.parse(line) as { port: number };
  return { child, exited, pid: child.pid!, port };
}

async function foldersOf(pid: number): Promise<string[]> {
  const names = await Promise.all(runsFolders().map((folder) => readdir(folder).catch(() => [])));
  return names.flat().filter((name) => name.startsWith(`run-${pid}-`));
}

async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, "127.0.0.1");
  return new Promise((resolve) => {
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
  }).finally(() => socket.destroy()) as Promise<boolean>;
}

/** Processes whose arguments name the folder. */
async function processesOf(folder: string): Promise<number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")),
  );
  return pids.filter((_, index) => commands[index]?.includes(folder)).map(Number);
}

async function expectNothingLeft({ pid, port }: TestProcess): Promise<void> {
  await expect.poll(() => foldersOf(pid), { timeout }).toEqual([]);
  await expect.poll(() => accepts(port), { timeout }).toBe(false);
}

/** Each start copies a template to the disk, which other tests may keep busy. */
const timeout = 120_000;

describe("test processes", { timeout }, () => {
  it("have a Postgres each, which ends with them", async () => {
    const [first, second] = await Promise.all([startProcess(), startProcess()]);
    expect(first.port).not.toBe(second.port);
    expect(await accepts(first.port)).toBe(true);
    expect(await foldersOf(first.pid)).toHaveLength(1);
    first.child.kill("SIGTERM");
    await expectNothingLeft(first);
    expect(await accepts(second.port)).toBe(true);
    second.child.kill("SIGTERM");
    await expectNothingLeft(second);
  });

  it("end by themselves once their tenants are closed", async () => {
    const process = await startProcess("close");
    expect(await process.exited).toEqual([0, null]);
    await expectNothingLeft(process);
  });

  it("leave nothing when they are killed", async () => {
    const process = await startProcess();
    process.child.kill("SIGKILL");
    await expectNothingLeft(process);
  });

  it.runIf(process.platform === "linux")(
    "leave nothing after the next start when all that watches them is killed too",
    async () => {
      const killed = await startProcess();
      const [name = ""] = await foldersOf(killed.pid);
      const watchdogs = await processesOf(name);
      expect(watchdogs).toHaveLength(1);
      for (const pid of [...watchdogs, killed.pid]) process.kill(pid, "SIGKILL");
      await killed.exited;
      expect(await accepts(killed.port)).toBe(true);
      const next = await startProcess("close");
      await next.exited;
      expect(await foldersOf(killed.pid)).toEqual([]);
      expect(await accepts(killed.port)).toBe(false);
      await expectNothingLeft(next);
    },
  );
});
