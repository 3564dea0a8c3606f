import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freeBasePort } from "../../test/support/base-port.ts";
import { createRegionClient } from "../api/region-rpc.ts";
import { parseConfig } from "../core/config/parse.ts";
import { createSystemClock } from "../node/clock.ts";
import { type StacksContractSetup, stacksContract } from "../ports/stacks.contract.ts";
import { stopLeftovers } from "../programs/down.ts";
import { startDirectory } from "../programs/supervisor/directory.ts";
import { ProcessTable } from "./processes.ts";
import { ensureToken, regionSettings, type Settings, writeSettings } from "./settings.ts";
import { createStacks, type EmbeddedStacks, type StacksParts } from "./stacks.ts";
import { StateFolder } from "./state-folder.ts";

const region = "eu-west-1";
const other = "eu-central-1";

/** A state folder with a directory, and regions that nobody has started. No release is shipped: they need no instance. */
async function openState() {
  const basePort = await freeBasePort();
  const place = { jurisdiction: "EU", zones: ["a", "b"] };
  const config = parseConfig({
    app: "./app.ts",
    domain: "shop.example",
    regions: {
      "us-east-1": place,
      [region]: { ...place, start: false },
      [other]: { ...place, start: false },
    },
    plans: { starter: { isolation: "schema" } },
    fleets: { app: { min: 0, max: 1 } },
  });
  const settings: Settings = { version: "0.0.0-test", config, basePort, host: "127.0.0.1" };
  const folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-test-stacks-")));
  await folder.create();
  await writeSettings(folder, settings);
  const internalToken = await ensureToken(folder.internalToken);
  const directory = await startDirectory(folder, settings, () => {});
  const processes = new ProcessTable(folder);
  const untilReady: StacksParts["untilReady"] = async (name, onProgress, signal) => {
    const url = `http://127.0.0.1:${regionSettings(settings, name).listeners.controller}`;
    const control = createRegionClient({ url, internalToken });
    const clock = createSystemClock();
    const answers = () =>
      control.status().then(
        ({ databases }) => databases[0]?.status === "available",
        () => false,
      );
    while (!(await answers())) await clock.sleep(50, signal);
    onProgress(`${name}: databases ready`);
  };
  const opened: EmbeddedStacks[] = [];
  const open = (parts: Partial<StacksParts> = {}) => {
    const clock = createSystemClock();
    const stacks = createStacks({ folder, processes, clock, settings: () => settings, untilReady, ...parts });
    opened.push(stacks);
    return stacks;
  };
  return {
    settings,
    folder,
    processes,
    open,
    dispose: async () => {
      for (const stacks of opened) await stacks.stopWatching();
      await directory.close();
      await stopLeftovers(folder, processes, () => {});
      await rm(folder.path, { recursive: true, force: true });
    },
  };
}

stacksContract("processes", async (): Promise<StacksContractSetup> => {
  const state = await openState();
  const stacks = state.open();
  return {
    stacks,
    region,
    other,
    reopen: async () => state.open(),
    damage: async () => {
      // Without its controller nobody would start the balancer again.
      await stacks.release(region);
      for (const name of ["controller", "balancer"])
        await state.processes.terminate(`${region}.${name}`, { signal: "SIGKILL" });
    },
    dispose: state.dispose,
  };
});

describe("a region as processes", () => {
  let state: Awaited<ReturnType<typeof openState>>;
  beforeAll(async () => {
    state = await openState();
  }, 60_000);
  afterAll(() => state.dispose(), 60_000);

  const records = async () => JSON.parse(await readFile(join(state.folder.path, "stacks.json"), "utf8"));
  const silent = () => {};

  it("wants those that the config starts, and the others once they were made", async () => {
    const stacks = state.open();
    expect(await stacks.wanted()).toEqual(["us-east-1"]);
    const untilReady = async () => {};
    const instant = state.open({ untilReady });
    await instant.apply(await instant.plan(region), silent);
    expect(await stacks.wanted()).toEqual(["us-east-1", region]);
    await instant.delete(region, silent);
    expect(await stacks.wanted()).toEqual(["us-east-1"]);
    expect(await state.processes.list("controller")).toEqual([]);
  }, 60_000);

  it("remembers that a region was deleted which the config starts", async () => {
    const stacks = state.open({ untilReady: async () => {} });
    await stacks.start("us-east-1");
    expect(await stacks.describe("us-east-1")).toMatchObject({ status: "creating" });
    await stacks.bringUp("us-east-1", silent, AbortSignal.timeout(60_000));
    expect(await stacks.describe("us-east-1")).toMatchObject({ status: "ready" });
    await stacks.delete("us-east-1", silent);
    expect(await state.open().wanted()).toEqual([]);
    await stacks.apply(await stacks.plan("us-east-1"), silent);
    expect(await records()).toEqual({});
    expect(await state.open().wanted()).toEqual(["us-east-1"]);
    await stacks.delete("us-east-1", silent);
  }, 60_000);

  it("stops what does not come up, says why, and can be asked again", async () => {
    let isBroken = true;
    const untilReady = async () => {
      if (isBroken) throw new Error("the release is broken");
    };
    const stacks = state.open({ untilReady });
    await expect(stacks.apply(await stacks.plan(region), silent)).rejects.toThrow("the release is broken");
    expect(await stacks.describe(region)).toMatchObject({
      status: "failed",
      problem: expect.stringContaining("the release is broken"),
    });
    expect((await state.processes.list()).filter(({ name }) => name.startsWith(`${region}.`))).toEqual([]);
    isBroken = false;
    await stacks.apply(await stacks.plan(region), silent);
    expect(await stacks.describe(region)).toMatchObject({ status: "ready", problem: null });
    await stacks.delete(region, silent);
  }, 60_000);

  it("says which port is taken before it starts anything", async () => {
    const stacks = state.open();
    const { balancer } = regionSettings(state.settings, region).listeners;
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(balancer, "127.0.0.1", resolve));
    try {
      await expect(stacks.apply(await stacks.plan(region), silent)).rejects.toMatchObject({
        code: "E_PORT_IN_USE",
      });
      expect(await stacks.describe(region)).toMatchObject({ status: "failed" });
    } finally {
      stranger.close();
      await stacks.delete(region, silent);
    }
  }, 60_000);

  it("leaves what it is just making to the next supervisor when it is told to stop", async () => {
    const reached = Promise.withResolvers<void>();
    const stacks = state.open({
      untilReady: (_name, _onProgress, signal) => {
        reached.resolve();
        return new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason)),
        );
      },
    });
    const applying = stacks.apply(await stacks.plan(region), silent);
    applying.catch(() => {});
    await reached.promise;
    await stacks.stopWatching();
    await expect(applying).rejects.toMatchObject({ code: "E_NOT_RUNNING" });
    const next = state.open({ untilReady: async () => {} });
    expect(await next.describe(region)).toMatchObject({ status: "creating" });
    await next.apply(await next.plan(region), silent);
    expect(await next.describe(region)).toMatchObject({ status: "ready" });
    await next.delete(region, silent);
  }, 60_000);
});
