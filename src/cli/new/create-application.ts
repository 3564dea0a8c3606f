import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { fault } from "../../core/error.ts";

export interface CreatedApplication {
  readonly name: string;
  /** Absolute. */
  readonly folder: string;
  /** Relative to the folder. */
  readonly files: readonly string[];
}

const template = fileURLToPath(new URL("./template/", import.meta.url));

/** The word in the template that becomes the application's name. */
const nameInTemplate = /\bguestbook\b/g;

/**
 * Writes the template under the folder's name. The folder may exist, if it is empty.
 * @throws E_ARGUMENT
 */
export async function createApplication(options: {
  readonly folder: string;
  readonly workingDirectory: string;
  readonly packageRoot: string;
  readonly version: string;
}): Promise<CreatedApplication> {
  const folder = resolve(options.workingDirectory, options.folder);
  const name = nameOf(folder);
  await refuseUsed(folder);
  await mkdir(folder, { recursive: true });
  await cp(template, folder, { recursive: true });
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  for (const file of files) {
    const text = await readFile(file, "utf8");
    await writeFile(file, text.replaceAll(nameInTemplate, name));
  }
  const more = { "package.json": packageJson(name, options), ".gitignore": "node_modules/\n.rowhouse/\n" };
  for (const [file, text] of Object.entries(more)) await writeFile(join(folder, file), text);
  const names = [...files.map((file) => relative(folder, file)), ...Object.keys(more)];
  return { name, folder, files: names.toSorted() };
}

function nameOf(folder: string): string {
  const name = basename(folder);
  if (/^[a-z]([a-z0-9-]{0,37}[a-z0-9])?$/.test(name)) return name;
  throw fault("E_ARGUMENT", `The folder's name ${JSON.stringify(name)} can't be an application's.`, {
    remedy: "Use lower-case letters, digits and hyphens, a letter first and no hyphen last.",
  });
}

async function refuseUsed(folder: string): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    if (error.code === "ENOTDIR") return ["a file"];
    throw error;
  });
  if (entries.length === 0) return;
  throw fault("E_ARGUMENT", `There is something in ${folder} already.`, {
    remedy: "Choose a new or an empty folder.",
  });
}

function packageJson(
  name: string,
  { packageRoot, version }: { packageRoot: string; version: string },
): string {
  const published = packageRoot.includes(`${sep}node_modules${sep}`);
  const content = {
    name,
    version: "0.1.0",
    private: true,
    type: "module",
    scripts: { start: "rowhouse up" },
    dependencies: { rowhouse: published ? `^${version}` : `file:${packageRoot}` },
  };
  return `${JSON.stringify(content, undefined, 2)}\n`;
}
