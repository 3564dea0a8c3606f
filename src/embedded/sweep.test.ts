import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ProcessKind, ProcessTable, programFile, stateFolderVariable } from "./processes.ts";
import { StateFolder } from "./state-folder.ts";
import { killStrays } from "./sweep.ts";

/** Does nothing, with the arguments that follow. */
const idle = ["-e", "setInterval(() => {}, 1000)", "--"];

describe.runIf(process.platform === "linux")("programs that no record names", () => {
  let folder: StateFolder;
  let processes: ProcessTable;
  const started: ChildProcess[] = [];
  beforeAll(async () => {
    folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-sweep-")));
    await folder.create();
    processes = new ProcessTable(folder);
  });
  afterAll(async () => {
    for (const child of started) child.kill("SIGKILL");
    await processes.terminate("eu-west-1.controller");
    await rm(folder.path, { recursive: true, force: true });
  });

  const argumentsOf = (kind: Exclude<ProcessKind, "postgres">, region: string) => [
    ...idle,
    ...[programFile(kind), "--state", folder.path, "--region", region],
  ];
  async function startStray(kind: Exclude<ProcessKind, "postgres">, region: string, path = folder.path) {
    const child = spawn(process.execPath, argumentsOf(kind, region), {
      env: { [stateFolderVariable]: path },
      stdio: "ignore",
    });
    started.push(child);
    await new Promise((resolve) => child.once("spawn", resolve));
    return child;
  }
  const hasEnded = (child: ChildProcess) => expect.poll(() => child.signalCode).toBe("SIGKILL");

  it("are killed when they are of the kind and the region, and nobody else is", async () => {
    const recorded = await processes.ensure({
      name: "eu-west-1.controller",
      kind: "controller",
      command: process.execPath,
      args: argumentsOf("controller", "eu-west-1"),
    });
    const stray = await startStray("controller", "eu-west-1");
    const elsewhere = await startStray("controller", "us-east-1");
    const balancer = await startStray("balancer", "eu-west-1");
    const foreign = await startStray("controller", "eu-west-1", `${folder.path}-of-another`);

    expect(await killStrays(folder, processes, { kinds: ["controller"], region: "eu-west-1" })).toBe(1);
    await hasEnded(stray);
    expect(await killStrays(folder, processes, { kinds: ["controller", "balancer"] })).toBe(2);
    await Promise.all([hasEnded(elsewhere), hasEnded(balancer)]);
    expect(foreign.signalCode).toBeNull();
    expect(await processes.find("eu-west-1.controller")).toMatchObject({ pid: recorded.pid });
  });
});
