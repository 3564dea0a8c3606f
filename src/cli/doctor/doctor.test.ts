import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { freeBasePort } from "../../../test/support/base-port.ts";
import { parseConfig } from "../../core/config/parse.ts";
import { processIdentity } from "../../embedded/process-identity.ts";
import { ProcessTable } from "../../embedded/processes.ts";
import { StateFolder, writeFileAtomically } from "../../embedded/state-folder.ts";
import { checkDisk, checkNode, checkPostgres } from "./machine.ts";
import { checkPorts } from "./ports.ts";
import { checkProcesses, checkStateFolder } from "./state.ts";

let folder: StateFolder;
const closing: (() => unknown)[] = [];

beforeEach(async () => {
  folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-test-doctor-")));
  await folder.create();
  closing.push(() => rm(folder.path, { recursive: true, force: true }));
});
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

describe("the machine", () => {
  it.each([
    ["v20.20.2", "fail"],
    ["v24.0.0", "ok"],
    ["v26.1.0", "ok"],
  ])("Node %s: %s", (version, status) => {
    expect(checkNode(version).status).toBe(status);
  });

  it("finds the Postgres that comes along, and says who runs it", async () => {
    expect(await checkPostgres()).toMatchObject([
      { check: "postgres", status: "ok", detail: expect.stringMatching(/^postgres \(PostgreSQL\) 18\./) },
      { check: "user", status: "ok" },
    ]);
  });

  it("measures the disk of a folder that is still to be made", async () => {
    const finding = await checkDisk(join(folder.path, "not", "there"));
    expect(finding.detail).toMatch(/^\d+\.\d GB free at /);
  });
});

describe("the ports", () => {
  const config = parseConfig({
    app: "./app.ts",
    domain: "shop.example",
    regions: {
      "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
      "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], start: false },
    },
    plans: { starter: { isolation: "schema" } },
  });

  async function listen(port: number): Promise<Server> {
    const server = createServer().listen(port, "127.0.0.1");
    await once(server, "listening");
    closing.push(() => server.close());
    return server;
  }

  async function check(basePort: number, ownPids: number[] = []) {
    return checkPorts({ basePort, host: "127.0.0.1", config, ownPids: new Set(ownPids) });
  }

  it("are free, or held by whom", async () => {
    const basePort = await freeBasePort();
    expect(await check(basePort)).toMatchObject({ status: "ok", detail: `from ${basePort}: all free` });
    await listen(basePort + 1);
    await listen(basePort + 10);
    expect(await check(basePort)).toMatchObject({
      status: "fail",
      detail: `taken: ${basePort + 1}/tcp (API) by process ${process.pid}, ${basePort + 10}/tcp (balancer of eu-west-1) by process ${process.pid}`,
      remedy: expect.stringContaining("--port"),
    });
    expect(await check(basePort, [process.pid])).toMatchObject({
      status: "ok",
      detail: `from ${basePort}: 2 are held by this Rowhouse, the others free`,
    });
  });

  it("of DNS count by UDP too; those of a region that is not started don't count", async () => {
    const basePort = await freeBasePort();
    await listen(basePort + 11);
    expect(await check(basePort)).toMatchObject({ status: "ok" });
    const socket = createSocket("udp4").bind(basePort + 2, "127.0.0.1");
    await once(socket, "listening");
    closing.push(() => socket.close());
    expect(await check(basePort)).toMatchObject({
      detail: `taken: ${basePort + 2}/udp (DNS) by process ${process.pid}`,
    });
  });
});

describe("the state folder", () => {
  it("is for its owner alone", async () => {
    expect(await checkStateFolder(folder)).toMatchObject({ status: "ok" });
    await writeFile(folder.operatorToken, "token");
    await chmod(folder.operatorToken, 0o644);
    expect(await checkStateFolder(folder)).toMatchObject({
      status: "fail",
      detail: `others may read ${folder.operatorToken}`,
      remedy: expect.stringContaining("chmod"),
    });
  });

  it("may still be to be made, and may not be a file", async () => {
    expect(await checkStateFolder(new StateFolder(join(folder.path, "later")))).toMatchObject({
      status: "ok",
    });
    const file = join(folder.path, "file");
    await writeFile(file, "");
    expect(await checkStateFolder(new StateFolder(file))).toMatchObject({ status: "fail" });
  });
});

describe("the processes", () => {
  const writeLock = (pid: number, identity = processIdentity(pid) ?? "gone") =>
    writeFileAtomically(folder.lock, JSON.stringify({ pid, identity, url: "", apiUrl: "", basePort: 8080 }));

  it("don't run yet, or run under their supervisor", async () => {
    expect(await checkProcesses(folder)).toMatchObject({ status: "ok", detail: "nothing runs" });
    await writeLock(process.pid);
    expect(await checkProcesses(folder)).toMatchObject({
      status: "ok",
      detail: `supervisor ${process.pid} and 0 others run`,
    });
  });

  it("are told from a later one with the same pid", async () => {
    await writeLock(process.pid, "an earlier life");
    expect(await checkProcesses(folder)).toMatchObject({
      status: "warn",
      detail: expect.stringContaining("died"),
    });
  });

  it("are missed when they are left without a supervisor", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    closing.push(() => child.kill("SIGKILL"));
    const record = {
      name: "left",
      kind: "balancer",
      pid: child.pid,
      identity: processIdentity(child.pid as number),
    };
    await writeFileAtomically(join(folder.processes, "left.json"), JSON.stringify({ ...record, labels: {} }));
    expect((await new ProcessTable(folder).list()).map(({ pid }) => pid)).toEqual([child.pid]);
    expect(await checkProcesses(folder)).toMatchObject({
      status: "warn",
      detail: "1 run without their supervisor, and serve the tenants",
    });
  });

  it("can't be told from a lock that is torn", async () => {
    await writeFile(folder.lock, "{");
    expect(await checkProcesses(folder)).toMatchObject({
      status: "fail",
      detail: expect.stringContaining(folder.lock),
    });
  });
});
