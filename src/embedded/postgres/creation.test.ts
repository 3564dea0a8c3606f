import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createMachine, type Machine, openPool } from "../../../test/support/database-machine.ts";

const zones = ["a", "b"] as const;
const isRoot = process.getuid?.() === 0 && process.platform === "linux";

describe("creating a server", () => {
  let machine: Machine;
  beforeEach(async () => {
    machine = await createMachine();
  });
  afterEach(() => machine.dispose());

  const isThere = (path: string) => async () =>
    (await stat(join(machine.folder, "one", path)).catch(() => null)) !== null;
  const unfinished = async (count: number) =>
    (await readdir(join(machine.folder, "one")).catch(() => [])).filter((name) =>
      name.startsWith("unfinished-"),
    ).length >= count;

  test.each([
    ["while initdb runs", () => unfinished(1)],
    ["while the standby is copied", () => unfinished(2)],
    ["while it first starts", () => isThere("a/postmaster.pid")()],
  ])("is finished by the next one when its process is killed %s", async (_, isTime) => {
    const program = join(import.meta.dirname, "../../../test/support/create-database-program.ts");
    const creator = spawn(process.execPath, [program, machine.state.path, String(machine.shared.first)], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    while (!(await isTime())) await pause(1);
    creator.kill("SIGKILL");
    const databases = await machine.engine();
    expect(await databases.describe("one")).toMatchObject({ status: "creating" });
    await databases.create({ name: "one", zones });
    expect(await databases.describe("one")).toMatchObject({ status: "available" });
    expect((await readdir(join(machine.folder, "one"))).toSorted()).toEqual(["a", "b", "server.json"]);
    const pool = await openPool(databases, "one");
    await pool.query("CREATE TABLE works (id int)");
    await pool.end();
  });

  test("says which port is taken, leaves nothing running, and goes on when it is free", async () => {
    const stranger = createServer();
    await new Promise<void>((resolve) => stranger.listen(machine.shared.first + 1, "127.0.0.1", resolve));
    const databases = await machine.engine();
    await expect(databases.create({ name: "one", zones })).rejects.toMatchObject({
      code: "E_PORT_IN_USE",
      message: expect.stringContaining(String(machine.shared.first + 1)),
    });
    expect(await machine.table.list("postgres")).toEqual([]);
    await expect(databases.endpoint("one")).rejects.toMatchObject({ code: "E_NOT_FOUND" });
    await databases.delete("one");
    expect(await readdir(machine.folder)).toEqual([]);
    await new Promise((resolve) => stranger.close(resolve));
    await databases.create({ name: "one", zones });
  });

  test.skipIf(!isRoot)(
    "says that the disk is full, takes nothing half-made for whole, and goes on when there is room (root can mount a small disk)",
    async () => {
      const disk = await mkdtemp(join(tmpdir(), "rowhouse-disk-"));
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=48m", "tmpfs", disk]);
      const small = await createMachine(disk);
      try {
        const databases = await small.engine();
        await expect(databases.create({ name: "one", zones })).rejects.toMatchObject({ code: "E_DISK_FULL" });
        expect(await small.table.list("postgres")).toEqual([]);
        expect(await databases.list()).toMatchObject([{ name: "one", status: "creating" }]);
        execFileSync("mount", ["-o", "remount,size=400m", disk]);
        await databases.create({ name: "one", zones });
        expect(await databases.describe("one")).toMatchObject({ status: "available" });
      } finally {
        await small.dispose();
        execFileSync("umount", [disk]);
        await rm(disk, { recursive: true });
      }
    },
  );

  test("takes two ports of the size's range, and says when there are none left", async () => {
    const { first } = machine.shared;
    const databases = await machine.engine({ dedicated: { first: first + 2, last: first + 2 } });
    const dedicated = databases.create({ name: "tenant", zones, size: "dedicated" });
    await expect(dedicated).rejects.toMatchObject({ code: "E_QUOTA" });
    databases.watch();
    await databases.create({ name: "one", zones });
    expect(await databases.list()).toMatchObject([
      { primary: { port: first }, standby: { port: first + 1 } },
    ]);
    await databases.delete("one");
    expect(await machine.table.list("postgres")).toEqual([]);
    expect(await readdir(machine.folder)).toEqual([]);
  });
});
