import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, readlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ZipFile } from "yazl";
import { type ApplicationFolder, createApplicationFolder } from "../../test/support/application.ts";
import { runNode } from "../../test/support/run-node.ts";
import { type BuiltRelease, buildRelease } from "../control/release/build.ts";
import { loadApplication, readReleaseMigrations, unpackRelease } from "./release.ts";

let sources: ApplicationFolder;
let built: BuiltRelease;

beforeAll(async () => {
  sources = await createApplicationFolder({
    "app.ts": `import { defineApp } from "rowhouse";
import { currentTenant } from "rowhouse";
import answer from "./classic.cjs";
export default defineApp({
  name: "greeter",
  migrations: "./sql",
  assets: "./public",
  fetch: () => { try { currentTenant(); } catch (error) { return new Response(error.code + " " + answer.port); } },
});`,
    "classic.cjs": `const { createServer } = require("node:http"); module.exports = { port: typeof createServer + __dirname.length };`,
    "sql/0001_people.sql": "CREATE TABLE people (id integer PRIMARY KEY);",
    "public/images/logo.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
  });
  built = await buildRelease({ appFile: sources.appFile, outputFolder: join(sources.folder, "out") });
});

afterAll(() => sources.remove());

const target = (name: string) => join(sources.folder, "unpacked", name);

/** A zip with entries that no build would write, with names put in after yazl checked them. */
async function forge(
  entries: Record<string, string>,
  rename: [string, string] = ["", ""],
): Promise<{ zip: Buffer; sha256: string }> {
  const file = new ZipFile();
  for (const [name, content] of Object.entries(entries)) file.addBuffer(Buffer.from(content), name);
  file.end();
  const chunks: Buffer[] = [];
  for await (const chunk of file.outputStream) chunks.push(chunk as Buffer);
  const zip = Buffer.from(
    Buffer.concat(chunks)
      .toString("latin1")
      .replaceAll(...rename),
    "latin1",
  );
  return { zip, sha256: createHash("sha256").update(zip).digest("hex") };
}

describe("unpackRelease", () => {
  it("unpacks what was built, from a path or from bytes, and can be repeated", async () => {
    const folder = target("plain");
    const fromPath = await unpackRelease({ zip: built.zipFile, sha256: built.sha256, folder });
    expect(fromPath).toEqual(built.manifest);
    expect(await readFile(join(folder, "assets/images/logo.svg"), "utf8")).toContain("<svg");
    expect(await readReleaseMigrations(folder)).toMatchObject([{ number: 1, file: "0001_people.sql" }]);
    const again = await unpackRelease({ zip: await readFile(built.zipFile), sha256: built.sha256, folder });
    expect(again).toEqual(built.manifest);
    expect(await readdir(dirname(folder))).toEqual(["plain"]);
  });

  it("lets many processes unpack into one folder at once", async () => {
    const folder = target("race");
    const all = Array.from({ length: 8 }, () =>
      unpackRelease({ zip: built.zipFile, sha256: built.sha256, folder }),
    );
    expect(await Promise.all(all)).toEqual(Array.from({ length: 8 }, () => built.manifest));
    expect((await readdir(dirname(folder))).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  it("replaces a folder that holds something else", async () => {
    const folder = target("stale");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "half"), "a release that a crash cut short");
    await unpackRelease({ zip: built.zipFile, sha256: built.sha256, folder });
    expect(await readdir(folder)).not.toContain("half");
  });

  it("refuses another hash and leaves no folder", async () => {
    const options = { zip: built.zipFile, sha256: "0".repeat(64), folder: target("wrong") };
    await expect(unpackRelease(options)).rejects.toMatchObject({ code: "E_RELEASE_CORRUPT" });
    expect(await readdir(dirname(options.folder))).not.toContain("wrong");
  });

  it.each([
    ["a name that leaves the folder", { "manifest.json": "{}", xxxescape: "x" }, ["xxxescape", "../escape"]],
    ["an absolute name", { "manifest.json": "{}", "xetc/passwd": "x" }, ["xetc/passwd", "/etc/passwd"]],
    ["a backslash", { "manifest.json": "{}", "a/b": "x" }, ["a/b", "a\\b"]],
    ["the same name twice", { "manifest.json": "{}", one: "x", two: "y" }, ["two", "one"]],
    ["no manifest", { "app.js": "" }, ["", ""]],
    ["a manifest that is none", { "manifest.json": "{}" }, ["", ""]],
  ] as const)("refuses a zip with %s", async (_, entries, rename) => {
    const { zip, sha256 } = await forge(entries, rename[0] === "" ? undefined : [...rename]);
    const folder = target("forged");
    await expect(unpackRelease({ zip, sha256, folder })).rejects.toMatchObject({ code: "E_RELEASE_CORRUPT" });
    expect(await readdir(dirname(folder))).not.toContain("forged");
    expect(
      (await readdir(dirname(folder))).filter((name) => name.endsWith(".tmp") || name === "escape"),
    ).toEqual([]);
  });
});

describe("an unpacked release", () => {
  it("notices migrations that were changed on disk", async () => {
    const folder = target("changed");
    await unpackRelease({ zip: built.zipFile, sha256: built.sha256, folder });
    await writeFile(join(folder, "migrations/0001_people.sql"), "DROP TABLE people;");
    await expect(readReleaseMigrations(folder)).rejects.toMatchObject({ code: "E_RELEASE_CORRUPT" });
  });

  it("runs under plain Node and shares this package's own modules", async () => {
    const folder = target("run");
    await unpackRelease({ zip: built.zipFile, sha256: built.sha256, folder });
    expect(await readlink(join(folder, "node_modules/rowhouse"))).toBe(join(import.meta.dirname, "../../"));
    const releaseModule = pathToFileURL(join(import.meta.dirname, "release.ts")).href;
    const indexModule = pathToFileURL(join(import.meta.dirname, "../index.ts")).href;
    const output = await runNode(`
      import { createRequire } from "node:module";
      import { loadApplication } from ${JSON.stringify(releaseModule)};
      const folder = ${JSON.stringify(folder)};
      const application = await loadApplication(folder);
      const resolved = createRequire(folder + "/app.js").resolve("rowhouse");
      const answer = await application.handler.fetch(new Request("http://x/"), undefined);
      console.log(JSON.stringify({
        name: application.name,
        answer: await answer.text(),
        same: (await import(resolved)).defineApp === (await import(${JSON.stringify(indexModule)})).defineApp,
      }));`);
    expect(JSON.parse(output)).toEqual({
      name: "greeter",
      answer: `E_NO_TENANT function${folder.length + 1}`,
      same: true,
    });
  });

  it("is refused when its module does not export an application", async () => {
    const folder = target("foreign");
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "app.js"), "export default {};");
    await expect(loadApplication(folder)).rejects.toMatchObject({ code: "E_APP_INVALID" });
  });
});
