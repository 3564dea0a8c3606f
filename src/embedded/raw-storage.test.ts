import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rawStorageContract } from "../ports/raw-storage.contract.ts";
import type { RawStorage } from "../ports/raw-storage.ts";
import { createGlobalRawStorage, createRegionRawStorage } from "./raw-storage.ts";
import { StateFolder } from "./state-folder.ts";
import { lockState } from "./supervisor-lock.ts";

const files = {
  "config.json": "settings",
  "global/databases/directory/a/base/1": "directory",
  "logs/supervisor.log": "supervisor",
  "logs/eu-west-1.controller.log": "eu log",
  "logs/eu-west-10.controller.log": "another region's log",
  "processes/eu-west-1.controller.json": "eu record",
  "regions/eu-west-1/databases/shared-1/a/pg_wal/0001": "x".repeat(2_500_000),
  "regions/eu-west-1/objects/bodies/ab/cd": "body",
  "regions/eu-west-1/objects/index.sqlite": "keys",
  "regions/eu-west-1/objects/index.sqlite-wal": "newer keys",
  "regions/eu-west-1/keys.json.lock": "",
  "regions/eu-west-1/empty": "",
  "regions/us-east-1/keys.json": "us keys",
};

const stopped = { isOpenHere: false };
const running = { isOpenHere: true };
const addresses = { url: "http://localhost:8080", apiUrl: "http://localhost:8081", basePort: 8080 };

/** A folder with these files. */
async function makeFolder(): Promise<StateFolder> {
  const folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-raw-")));
  await folder.create();
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder.path, name)), { recursive: true });
    await writeFile(join(folder.path, name), text);
  }
  return folder;
}

const removed = (folder: StateFolder) => () => rm(folder.path, { recursive: true, force: true });

rawStorageContract("a stopped region's folder", async () => {
  const folder = await makeFolder();
  const storage = createRegionRawStorage(folder, "eu-west-1", stopped);
  return { storage, kept: "eu log", dispose: removed(folder) };
});
rawStorageContract("the control plane's folder", async () => {
  const folder = await makeFolder();
  return {
    storage: createGlobalRawStorage(folder, ["eu-west-1"]),
    kept: "supervisor",
    dispose: removed(folder),
  };
});

describe("what lies in a state folder", () => {
  let folder: StateFolder;
  beforeAll(async () => {
    folder = await makeFolder();
  });
  afterAll(() => removed(folder)());

  async function read(storage: RawStorage): Promise<Record<string, [store: string, bytes: number]>> {
    const found: Record<string, [string, number]> = {};
    for await (const { store, name, bytes } of storage.places()) {
      let read = 0;
      for await (const piece of bytes()) read += piece.length;
      found[name] = [store, read];
    }
    return found;
  }

  it("is a region's by its folder, logs and records", async () => {
    expect(await read(createRegionRawStorage(folder, "eu-west-1", stopped))).toEqual({
      "logs/eu-west-1.controller.log": ["logs", 6],
      "processes/eu-west-1.controller.json": ["process records", 9],
      "regions/eu-west-1/databases/shared-1/a/pg_wal/0001": ["database files", 2_500_000],
      "regions/eu-west-1/objects/bodies/ab/cd": ["object files", 4],
      "regions/eu-west-1/objects/index.sqlite": ["object files", 4],
      "regions/eu-west-1/objects/index.sqlite-wal": ["object files", 10],
      "regions/eu-west-1/empty": ["other files", 0],
    });
  });

  it("is the control plane's where it is no region's", async () => {
    const storage = createGlobalRawStorage(folder, ["eu-west-1", "eu-west-10", "us-east-1"]);
    expect(await read(storage)).toEqual({
      "config.json": ["other files", 8],
      "global/databases/directory/a/base/1": ["database files", 9],
      "logs/supervisor.log": ["logs", 10],
    });
  });

  it("leaves the supervisor its lock, which reading the lock's file would drop", async () => {
    const lock = await lockState(folder, addresses);
    await read(createGlobalRawStorage(folder, []));
    expect(await isLockedForOthers(`${folder.lock}.sqlite`)).toBe(true);
    await lock.release();
  });

  it("leaves an open index of objects its locks", async () => {
    const index = join(folder.path, "regions/eu-north-1/objects/index.sqlite");
    await mkdir(dirname(index), { recursive: true });
    const database = new DatabaseSync(index);
    database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES ('a hidden key')");
    database.exec("BEGIN IMMEDIATE");
    const found: string[] = [];
    for await (const { name, bytes } of createRegionRawStorage(folder, "eu-north-1", running).places()) {
      let text = "";
      for await (const piece of bytes()) text += Buffer.from(piece).toString("latin1");
      expect(text).toContain("a hidden key");
      found.push(name);
    }
    expect(found).toEqual(["regions/eu-north-1/objects/index.sqlite"]);
    expect(await isLockedForOthers(index)).toBe(true);
    database.close();
    expect(await readdir(dirname(index))).toEqual(["index.sqlite"]);
  });

  it("may vanish while it is read", async () => {
    const places = createRegionRawStorage(folder, "us-east-1", stopped).places();
    for await (const { bytes } of places) {
      await rm(join(folder.path, "regions/us-east-1/keys.json"));
      for await (const piece of bytes()) expect(piece).toBeUndefined();
    }
    expect(await read(createRegionRawStorage(folder, "nowhere", stopped))).toEqual({});
  });
});

/** Whether another process finds an SQLite file locked. */
async function isLockedForOthers(path: string): Promise<boolean> {
  const program = `
    import { DatabaseSync } from "node:sqlite";
    try { new DatabaseSync(${JSON.stringify(path)}, { timeout: 0 }).exec("BEGIN EXCLUSIVE"); console.log("free"); }
    catch { console.log("locked"); }`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program]);
  return stdout.trim() === "locked";
}
