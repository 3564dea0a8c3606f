import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";

interface Locked {
  readonly version?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

it("locks every platform's packages: `npm ci` refuses a lockfile that lacks those of another machine", async () => {
  const file = join(import.meta.dirname, "../../package-lock.json");
  const { packages } = JSON.parse(await readFile(file, "utf8")) as { packages: Record<string, Locked> };
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !findVersion(packages, path, name)),
  );
  expect(missing).toEqual([]);
});

/** Where Node would look, from the nested folder up to the root's. */
function findVersion(packages: Readonly<Record<string, Locked>>, path: string, name: string) {
  for (let folder = path; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    const found = packages[`${folder === "" ? "" : `${folder}/`}node_modules/${name}`];
    if (found?.version || folder === "") return found?.version;
  }
}
