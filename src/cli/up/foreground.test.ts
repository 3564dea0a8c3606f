import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCli } from "../../../test/support/cli.ts";
import type { RunningSupervisor, UpOptions, UpSummary } from "../../control/up.ts";
import { fault } from "../../core/error.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rowhouse-test-up-"));
  const config = `export default {
    app: "./app.ts", domain: "shop.example",
    regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
    plans: { starter: { isolation: "schema" } },
  };\n`;
  await writeFile(join(folder, "rowhouse.config.ts"), config);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const summary: UpSummary = {
  pid: 42,
  url: "http://localhost:9000",
  consoleUrl: "http://localhost:9000/console",
  apiUrl: "http://localhost:9001",
  dnsAddress: "127.0.0.1:9002",
  stateDirectory: "/state",
  regions: [{ name: "eu-west-1", jurisdiction: "EU", status: "ready", balancerUrl: "http://localhost:9010" }],
};

/** A supervisor that is ready at once and ends when told to. */
function createSupervisor() {
  const { promise: stopped, resolve, reject } = Promise.withResolvers<void>();
  const calls: UpOptions[] = [];
  let stops = 0;
  const startSupervisor = async (options: UpOptions): Promise<RunningSupervisor> => {
    calls.push(options);
    options.onProgress({ at: "region", message: "eu-west-1: starting" });
    return {
      summary,
      stopped,
      stop: async () => {
        stops++;
        await stopped;
      },
    };
  };
  return { startSupervisor, calls, stops: () => stops, end: resolve, break: reject };
}

function up(words: readonly string[], startSupervisor: (options: UpOptions) => Promise<RunningSupervisor>) {
  return startCli(["up", ...words], { workingDirectory: folder, programs: { startSupervisor } });
}

describe("up", () => {
  it("passes on what it was told, shows the progress and where everything is", async () => {
    const supervisor = createSupervisor();
    const cli = up(["--port", "9000", "--host", "0.0.0.0", "--state-dir", "st"], supervisor.startSupervisor);
    await expect.poll(cli.stdout).toContain("Ctrl-C stops everything.");
    expect(supervisor.calls).toMatchObject([
      {
        configFile: join(folder, "rowhouse.config.ts"),
        stateDirectory: join(folder, "st"),
        basePort: 9000,
        host: "0.0.0.0",
        config: { domain: "shop.example", connectionsPerInstance: 200 },
      },
    ]);
    expect(cli.stderr()).toMatch(/^ +\d\.\d s {2}region {5}eu-west-1: starting$/m);
    expect(cli.stdout()).toMatch(/^Console +http:\/\/localhost:9000\/console$/m);
    expect(cli.stdout()).toMatch(/^eu-west-1 +ready +EU +http:\/\/localhost:9010$/m);
    expect(cli.stdout()).toContain(
      'rowhouse tenant create acme --name "Acme Ltd" --region eu-west-1 --plan starter',
    );
    supervisor.end();
    expect(await cli.exitCode).toBe(0);
  });

  it("prints one JSON document and stays", async () => {
    const supervisor = createSupervisor();
    const cli = up(["--json"], supervisor.startSupervisor);
    await expect.poll(cli.stdout).not.toBe("");
    expect(JSON.parse(cli.stdout())).toEqual(summary);
    supervisor.end();
    expect(await cli.exitCode).toBe(0);
    expect(JSON.parse(cli.stdout())).toEqual(summary);
  });

  it("stops in order at Ctrl-C, takes what follows at once for the same press, and says so at the next", async () => {
    const supervisor = createSupervisor();
    const cli = up([], supervisor.startSupervisor);
    await expect.poll(cli.stdout).toContain("Ctrl-C");
    cli.signal("SIGINT");
    cli.signal("SIGINT");
    await expect.poll(supervisor.stops).toBe(1);
    expect(cli.stderr().match(/stopping/g)).toHaveLength(1);
    await expect
      .poll(
        () => {
          cli.signal("SIGINT");
          return cli.stderr();
        },
        { interval: 300, timeout: 5000 },
      )
      .toContain("still stopping in order");
    supervisor.end();
    expect(await cli.exitCode).toBe(0);
    expect(supervisor.stops()).toBe(1);
  });

  it("gives up a start at Ctrl-C", async () => {
    const cli = up(["--json"], async ({ signal, onProgress }) => {
      onProgress({ at: "state", message: "waiting" });
      await sleep(60_000, undefined, { signal }).catch(() => {});
      throw signal.reason;
    });
    await expect.poll(cli.stderr).toContain("waiting");
    cli.signal("SIGTERM");
    expect(await cli.exitCode).toBe(0);
    expect(JSON.parse(cli.stdout())).toEqual({ stopped: true });
  });

  it.each([
    ["E_PORT_IN_USE", 2],
    ["E_DISK_FULL", 1],
  ] as const)("ends with the code of %s when the start fails", async (code, exitCode) => {
    const cli = up([], async () => Promise.reject(fault(code)));
    expect(await cli.exitCode).toBe(exitCode);
    expect(cli.stderr()).toContain(`[${code}]`);
  });

  it("ends with 1 when the supervisor breaks later", async () => {
    const supervisor = createSupervisor();
    const cli = up([], supervisor.startSupervisor);
    await expect.poll(cli.stdout).toContain("Ctrl-C");
    supervisor.break(new Error("out of luck"));
    expect(await cli.exitCode).toBe(1);
    expect(cli.stderr()).toContain("out of luck. [E_INTERNAL]");
  });

  it("tells a waiting parent how it goes, and lets go of it when ready", async () => {
    const supervisor = createSupervisor();
    const told: unknown[] = [];
    const parent = {
      send: (message: unknown) => told.push(message),
      disconnect: () => told.push("disconnect"),
    };
    const cli = startCli(["up", "--report-to-parent"], {
      workingDirectory: folder,
      programs: { startSupervisor: supervisor.startSupervisor },
      parent,
    });
    await expect
      .poll(() => told)
      .toEqual([
        { type: "progress", event: { at: "region", message: "eu-west-1: starting" } },
        { type: "ready", summary },
        "disconnect",
      ]);
    expect(cli.stdout()).toBe("");
    expect(JSON.parse(cli.stderr())).toMatchObject({ level: "info", message: "eu-west-1: starting" });
    supervisor.end();
    expect(await cli.exitCode).toBe(0);
  });
});

describe("down", () => {
  it.each([
    [0, "Nothing was running.\n"],
    [1, "Stopped 1 process.\n"],
    [14, "Stopped 14 processes.\n"],
  ])("tells that %i were stopped", async (stopped, text) => {
    const stopEverything = async () => ({ stopped });
    const options = { workingDirectory: folder, programs: { stopEverything } };
    const cli = startCli(["down"], options);
    expect(await cli.exitCode).toBe(0);
    expect(cli.stdout()).toBe(text);
    const json = startCli(["down", "--json"], options);
    await json.exitCode;
    expect(JSON.parse(json.stdout())).toEqual({ stopped });
  });
});
