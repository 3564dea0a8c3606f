import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fleetsContract } from "../ports/fleets.contract.ts";
import { createFleets } from "./fleets.ts";
import { isAlive, ProcessTable } from "./processes.ts";
import { StateFolder } from "./state-folder.ts";

/** A program that does nothing but live, in the instance program's place. */
const idle = { command: process.execPath, args: ["-e", "setInterval(() => {}, 1000)", "--"] };

async function make() {
  const folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-fleets-")));
  const processes = new ProcessTable(folder);
  // Below those that systems hand out for outgoing connections, so that none takes one by chance.
  const ports = { first: 1_700, last: 1_705 };
  const create = () =>
    createFleets({
      region: "test",
      statePath: folder.path,
      processes,
      ports,
      host: "127.0.0.1",
      program: idle,
    });
  const dispose = async () => {
    for (const { name } of await processes.list()) await processes.terminate(name, { graceMilliseconds: 0 });
    await rm(folder.path, { recursive: true, force: true });
  };
  return { create, processes, dispose };
}

fleetsContract("embedded", async () => {
  const { create, dispose } = await make();
  return { fleets: create(), zones: ["a", "b"], prepare: async () => {}, dispose };
});

describe("embedded fleets", () => {
  const disposals: (() => Promise<void>)[] = [];
  afterAll(() => Promise.all(disposals.map((dispose) => dispose())));

  it("finds what an earlier controller launched, and forgets what was killed", async () => {
    const { create, processes, dispose } = await make();
    disposals.push(dispose);
    const { pid = 0 } = await create().launch({ fleet: "app", zone: "a", instanceId: "i-kept" });
    expect(await create().list()).toMatchObject([{ id: "i-kept", pid, zone: "a" }]);
    const [record] = await processes.list("instance");
    process.kill(pid, "SIGKILL");
    await expect.poll(() => isAlive(record!)).toBe(false);
    expect(await create().list()).toEqual([]);
  });

  it("gives every instance a port of its own, and refuses when there is none left", async () => {
    const { create, dispose } = await make();
    disposals.push(dispose);
    const fleets = create();
    const launches = [...Array(6).keys()].map((i) =>
      fleets.launch({ fleet: "app", zone: "a", instanceId: `i-${i}` }),
    );
    const addresses = (await Promise.all(launches)).map((instance) => instance.address);
    expect(new Set(addresses).size).toBe(6);
    await expect(fleets.launch({ fleet: "app", zone: "a", instanceId: "i-6" })).rejects.toMatchObject({
      code: "E_QUOTA",
    });
  });
});
