import { createHash } from "node:crypto";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { type ApplicationFolder, createApplicationFolder } from "../../../test/support/application.ts";
import { buildRelease } from "./build.ts";

const app = `import { defineApp } from "rowhouse";
import { greeting } from "./greeting.ts";
export default defineApp({ name: "greeter", migrations: "./sql", assets: "./public", fetch: () => new Response(greeting) });`;

const sources = {
  "app.ts": app,
  "greeting.ts": `export const greeting: string = "Good morning";`,
  "sql/0001_people.sql": "CREATE TABLE people (id integer PRIMARY KEY);",
  "sql/0002_names.sql": "ALTER TABLE people ADD COLUMN name text;",
  "sql/README.md": "Not a migration",
  "public/style.css": "body { color: teal }",
  "public/images/logo.svg": "<svg xmlns='http://www.w3.org/2000/svg'/>",
  "public/.DS_Store": "x",
};

const folders: ApplicationFolder[] = [];

async function create(files: Record<string, string> = sources): Promise<ApplicationFolder> {
  const folder = await createApplicationFolder(files);
  folders.push(folder);
  return folder;
}

afterEach(async () => {
  for (const folder of folders.splice(0)) await folder.remove();
});

describe("buildRelease", () => {
  it("puts the module, migrations in order and assets with their hashes into the manifest", async () => {
    const { folder, appFile } = await create();
    const { manifest, zipFile, sha256 } = await buildRelease({ appFile, outputFolder: join(folder, "out") });
    const hash = (text: string) => createHash("sha256").update(text).digest("hex");
    expect(manifest).toEqual({
      name: "greeter",
      version: expect.stringMatching(/^[0-9a-f]{12}$/),
      entry: "app.js",
      migrations: [
        { file: "0001_people.sql", sha256: hash(sources["sql/0001_people.sql"]) },
        { file: "0002_names.sql", sha256: hash(sources["sql/0002_names.sql"]) },
      ],
      assets: [
        { file: "images/logo.svg", sha256: hash(sources["public/images/logo.svg"]) },
        { file: "style.css", sha256: hash(sources["public/style.css"]) },
      ],
    });
    expect(zipFile).toBe(join(folder, "out", `${manifest.version}.zip`));
    expect(sha256).toBe(
      createHash("sha256")
        .update(await readFile(zipFile))
        .digest("hex"),
    );
  });

  it("gives the same version and bytes for the same sources in another folder, and others after a change", async () => {
    const first = await create();
    const second = await create();
    const a = await buildRelease({ appFile: first.appFile, outputFolder: join(first.folder, "out") });
    const b = await buildRelease({ appFile: second.appFile, outputFolder: join(second.folder, "elsewhere") });
    expect(b.manifest).toEqual(a.manifest);
    expect(b.sha256).toBe(a.sha256);
    await second.write("public/style.css", "body { color: plum }");
    const c = await buildRelease({ appFile: second.appFile, outputFolder: join(second.folder, "elsewhere") });
    expect(c.manifest.version).not.toBe(a.manifest.version);
  });

  it("names file, line and column of what does not compile", async () => {
    const { folder, appFile } = await create({
      ...sources,
      "greeting.ts": `export const greeting =\n  "Good;`,
    });
    await expect(buildRelease({ appFile, outputFolder: join(folder, "out") })).rejects.toMatchObject({
      code: "E_RELEASE_BUILD",
      message: expect.stringContaining(`${join(folder, "greeting.ts")}:2:`),
    });
  });

  it("names the import that can't be found, and says so for a missing module too", async () => {
    const { folder, appFile } = await create({
      ...sources,
      "greeting.ts": `export { greeting } from "./gone.ts";`,
    });
    const outputFolder = join(folder, "out");
    await expect(buildRelease({ appFile, outputFolder })).rejects.toMatchObject({
      code: "E_RELEASE_BUILD",
      message: expect.stringContaining("./gone.ts"),
    });
    await expect(buildRelease({ appFile: join(folder, "nothing.ts"), outputFolder })).rejects.toMatchObject({
      code: "E_RELEASE_BUILD",
      message: expect.stringContaining("nothing.ts"),
    });
  });

  it.each([
    ["exports nothing", "export const answer = 42;", /does not export what defineApp returns/],
    [
      "exports a plain object",
      `export default { name: "x", fetch: () => new Response() };`,
      /does not export what defineApp/,
    ],
    [
      "throws while it loads",
      `throw new Error("no such luck");`,
      /failed while it was loaded: no such luck, at app\.ts:1:7\./,
    ],
    ["ends the process", "process.exit(0);", /did not finish loading/],
    ["waits for what never comes", "await new Promise(() => {});", /did not finish loading/],
  ])("refuses a module that %s", async (_, content, message) => {
    const { folder, appFile } = await create({ ...sources, "app.ts": content });
    await expect(buildRelease({ appFile, outputFolder: join(folder, "out") })).rejects.toMatchObject({
      code: "E_APP_INVALID",
      message: expect.stringMatching(message),
    });
  });

  it("takes CommonJS packages along", async () => {
    const express = `import express from "express";
import { defineApp } from "rowhouse";
const server = express().get("/", (_, response) => response.send("hello"));
export default defineApp({ name: "classic", node: server });`;
    const { folder, appFile } = await create({ "app.ts": express });
    await mkdir(join(folder, "node_modules"));
    const packages = join(import.meta.dirname, "../../../node_modules");
    await symlink(join(packages, "express"), join(folder, "node_modules/express"));
    const { manifest } = await buildRelease({ appFile, outputFolder: join(folder, "out") });
    expect(manifest.name).toBe("classic");
  });

  it("does not wait for what a module leaves running", async () => {
    const { folder, appFile } = await create({
      ...sources,
      "app.ts": `setInterval(() => {}, 1000);\n${app}`,
    });
    const { manifest } = await buildRelease({ appFile, outputFolder: join(folder, "out") });
    expect(manifest.name).toBe("greeter");
  });

  it("refuses a gap between migrations, and a folder that is not there", async () => {
    const gap = await create({ ...sources, "sql/0004_gap.sql": "SELECT 1" });
    await expect(buildRelease({ appFile: gap.appFile, outputFolder: gap.folder })).rejects.toMatchObject({
      code: "E_MIGRATION_NAME",
      message: expect.stringContaining("0004_gap.sql"),
    });
    const missing = await create({ "app.ts": app, "greeting.ts": sources["greeting.ts"] });
    await expect(
      buildRelease({ appFile: missing.appFile, outputFolder: missing.folder }),
    ).rejects.toMatchObject({
      code: "E_APP_INVALID",
      message: expect.stringContaining(join(missing.folder, "sql")),
    });
  });
});
