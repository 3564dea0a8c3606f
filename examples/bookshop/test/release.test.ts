import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { buildRelease } from "../../../src/control/release/build.ts";
import { parseConfig } from "../../../src/core/config/parse.ts";
import config from "../rowhouse.config.ts";

it("builds into a release", async () => {
  const outputFolder = await mkdtemp(join(tmpdir(), "bookshop-release-"));
  try {
    const appFile = join(import.meta.dirname, "..", parseConfig(config).app);
    const { manifest } = await buildRelease({ appFile, outputFolder });
    expect(manifest.name).toBe("bookshop");
    expect(manifest.migrations.map(({ file }) => file)).toEqual(["0001_books.sql", "0002_ratings.sql"]);
    expect(manifest.assets.map(({ file }) => file)).toEqual(["base.css", "icon.svg", "shop.css", "shop.js"]);
  } finally {
    await rm(outputFolder, { recursive: true });
  }
});
