import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findConfig, findStateFolder } from "./locate.ts";

let root: string;
let clone: string;
let application: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "rowhouse-test-locate-"));
  clone = join(root, "clone");
  application = join(root, "shop");
  await mkdir(join(clone, "examples", "bookshop"), { recursive: true });
  await mkdir(join(application, "src", "deep"), { recursive: true });
  await writeFile(join(clone, "examples", "bookshop", "rowhouse.config.ts"), "");
  await writeFile(join(application, "rowhouse.config.ts"), "");
});
afterAll(() => rm(root, { recursive: true, force: true }));

const find = (workingDirectory: string, options: { config?: string; stateDir?: string } = {}) =>
  findConfig({ workingDirectory, packageRoot: clone, ...options });

describe("findConfig", () => {
  it("takes the nearest upward, and the state folder beside it", async () => {
    const expected = {
      configFile: join(application, "rowhouse.config.ts"),
      stateDirectory: join(application, ".rowhouse"),
    };
    expect(await find(application)).toEqual(expected);
    expect(await find(join(application, "src", "deep"))).toEqual(expected);
    expect(await find(root, { config: "shop/rowhouse.config.ts" })).toEqual(expected);
  });

  it("takes the bookshop's in a clone, and the state folder at the clone's root", async () => {
    const configFile = join(clone, "examples", "bookshop", "rowhouse.config.ts");
    expect(await find(clone)).toEqual({ configFile, stateDirectory: join(clone, ".rowhouse") });
    expect(await find(join(clone, "examples"))).toEqual({
      configFile,
      stateDirectory: join(clone, ".rowhouse"),
    });
  });

  it("takes the named state folder", async () => {
    expect(await find(application, { stateDir: "elsewhere" })).toMatchObject({
      stateDirectory: join(application, "elsewhere"),
    });
  });

  it("refuses a place without one, and a name without a file", async () => {
    const refused = expect.objectContaining({ code: "E_CONFIG_NOT_FOUND" });
    await expect(find(root)).rejects.toEqual(refused);
    await expect(find(root, { config: "shop" })).rejects.toEqual(refused);
  });
});

describe("findStateFolder", () => {
  it("needs no config where the folder is named", async () => {
    const places = { workingDirectory: root, packageRoot: clone };
    expect(await findStateFolder({ ...places, stateDir: "st" })).toBe(join(root, "st"));
    await expect(findStateFolder(places)).rejects.toEqual(
      expect.objectContaining({ code: "E_CONFIG_NOT_FOUND" }),
    );
  });
});
