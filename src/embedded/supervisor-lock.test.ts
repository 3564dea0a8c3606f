import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StateFolder } from "./state-folder.ts";
import { findSupervisor, lockState } from "./supervisor-lock.ts";

const addresses = { url: "http://localhost:8080", apiUrl: "http://localhost:8081", basePort: 8080 };

describe("supervisor lock", () => {
  let folder: StateFolder;
  beforeEach(async () => {
    folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-lock-")));
  });
  afterEach(() => rm(folder.path, { recursive: true, force: true }));

  it("is held by one of many that try at once, and free again after its release", async () => {
    const tries = await Promise.allSettled([...Array(10).keys()].map(() => lockState(folder, addresses)));
    const won = tries.filter((one) => one.status === "fulfilled");
    expect(won).toHaveLength(1);
    for (const one of tries)
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "E_STATE_LOCKED" });
    expect(await findSupervisor(folder)).toMatchObject({ pid: process.pid, ...addresses });
    await won[0]!.value.release();
    expect(await findSupervisor(folder)).toBeUndefined();
  });

  it("is free at once when its holder is killed", async () => {
    const program = `
      import { StateFolder } from ${JSON.stringify(import.meta.resolve("./state-folder.ts"))};
      import { lockState } from ${JSON.stringify(import.meta.resolve("./supervisor-lock.ts"))};
      await lockState(new StateFolder(${JSON.stringify(folder.path)}), ${JSON.stringify(addresses)});
      console.log("locked");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await expect(lockState(folder, addresses)).rejects.toThrow(`process ${child.pid}`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const tries = await Promise.allSettled([...Array(10).keys()].map(() => lockState(folder, addresses)));
    expect(tries.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  });

  it("is not fooled by another process with the dead holder's pid", async () => {
    await writeFile(
      folder.lock,
      JSON.stringify({ pid: process.pid, identity: "an earlier boot", ...addresses }),
    );
    await (await lockState(folder, addresses)).release();
  });
});
