import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RawStorage } from "../ports/raw-storage.ts";
import { createGlobalRawStorage, createRegionRawStorage } from "./raw-storage.ts";
import { StateFolder } from "./state-folder.ts";

const files = {
  "config.json": "settings",
  "global/databases/directory/a/base/1": "directory",
  "logs/supervisor.log": "supervisor",
  "logs/eu-west-1.controller.log": "eu log",
  "logs/eu-west-10.controller.log": "another region's log",
  "processes/eu-west-1.controller.json": "eu record",
  "regions/eu-west-1/databases/shared-1/a/pg_wal/0001": "x".repeat(2_500_000),
  "regions/eu-west-1/objects/bodies/ab/cd": "body",
  "regions/eu-west-1/empty": "",
  "regions/us-east-1/keys.json": "us keys",
};

describe("what lies in a state folder", () => {
  let folder: StateFolder;
  beforeAll(async () => {
    folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-raw-")));
    await folder.create();
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder.path, name)), { recursive: true });
      await writeFile(join(folder.path, name), text);
    }
  });
  afterAll(() => rm(folder.path, { recursive: true, force: true }));

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
    expect(await read(createRegionRawStorage(folder, "eu-west-1"))).toEqual({
      "logs/eu-west-1.controller.log": ["logs", 6],
      "processes/eu-west-1.controller.json": ["process records", 9],
      "regions/eu-west-1/databases/shared-1/a/pg_wal/0001": ["database files", 2_500_000],
      "regions/eu-west-1/objects/bodies/ab/cd": ["object files", 4],
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

  it("may vanish while it is read", async () => {
    const places = createRegionRawStorage(folder, "us-east-1").places();
    for await (const { bytes } of places) {
      await rm(join(folder.path, "regions/us-east-1/keys.json"));
      for await (const piece of bytes()) expect(piece).toBeUndefined();
    }
    expect(await read(createRegionRawStorage(folder, "nowhere"))).toEqual({});
  });
});
