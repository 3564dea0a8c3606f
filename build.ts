/**
 * Makes `dist/package`, the folder that is packed and published: `npm run build && npm publish dist/package`. In a
 * clone Node runs the sources as they are; below node_modules it strips no types, so a package carries JavaScript.
 * `node build.ts <folder>` builds elsewhere.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

const root = import.meta.dirname;
const output = resolve(process.argv[2] ?? join(root, "dist"), "package");
const code = join(output, "dist");
const source = join(root, "src");
/** Files of new applications: given away as they are written. */
const template = join(source, "cli/new/template");

await rm(output, { recursive: true, force: true });
await compile();
await copyFiles();
await writeFile(join(output, "package.json"), `${JSON.stringify(await manifest(), undefined, 2)}\n`);
process.stdout.write(`${output}\n`);

/** One module for each module, with declarations. Types are not checked: `npm run types` does that. */
async function compile(): Promise<void> {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  await promisify(execFile)(process.execPath, [compiler, "-p", "tsconfig.build.json", "--outDir", code], {
    cwd: root,
  });
}

/** What modules read at run time, each where they look for it, and what belongs to a package. */
async function copyFiles(): Promise<void> {
  const isTemplate = (path: string) => path.startsWith(template);
  await copy(source, code, (path) => isTemplate(path) || !path.endsWith(".ts"));
  await copy(join(root, "console/signup"), join(output, "console/signup"), (path) => !path.endsWith(".ts"));
  for (const name of ["bin", "LICENSE", "README.md"])
    await cp(join(root, name), join(output, name), { recursive: true });
}

async function copy(from: string, to: string, isWanted: (path: string) => boolean): Promise<void> {
  for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || !isWanted(path)) continue;
    const target = join(to, path.slice(from.length));
    await mkdir(dirname(target), { recursive: true });
    await cp(path, target);
  }
}

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** The clone's package.json without what only a clone needs, its entry points built. */
async function manifest(): Promise<Record<string, unknown>> {
  const { exports, ...rest } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Manifest;
  const kept = [
    ...["name", "version", "description", "license", "type", "bin"],
    ...["dependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta"],
  ];
  const built = Object.entries(exports).map(([name, file]) => [name, builtEntry(file)]);
  return {
    ...Object.fromEntries(kept.map((key) => [key, rest[key]])),
    // A clone brings its own Node; here it is the user's that runs everything.
    engines: { node: ">=24" },
    exports: Object.fromEntries(built),
    files: ["bin", "console", "dist"],
  };
}

function builtEntry(file: string): string | { readonly types: string; readonly default: string } {
  if (!file.endsWith(".ts")) return file;
  const base = file.replace("./src/", "./dist/").replace(/\.ts$/, "");
  return { types: `${base}.d.ts`, default: `${base}.js` };
}
