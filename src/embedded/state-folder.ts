import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fault } from "../core/error.ts";

/** Where everything of the embedded mode lies: one folder, and nothing outside it. */
export class StateFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
  }

  /** Parsed config, as all processes read it. */
  get config(): string {
    return join(this.path, "config.json");
  }
  get lock(): string {
    return join(this.path, "supervisor.lock");
  }
  /** The first operator's token, mode 0600. */
  get operatorToken(): string {
    return join(this.path, "operator-token");
  }
  /** What the platform's own processes show to each other, mode 0600. */
  get internalToken(): string {
    return join(this.path, "internal-token");
  }
  get processes(): string {
    return join(this.path, "processes");
  }
  get logs(): string {
    return join(this.path, "logs");
  }
  /** The control plane's own part: directory database, its key, built releases. */
  get global(): string {
    return join(this.path, "global");
  }
  region(name: string): string {
    return join(this.path, "regions", name);
  }

  /** Makes the folder; readable by its owner alone. */
  async create(): Promise<void> {
    await mkdir(this.path, { recursive: true });
    await chmod(this.path, 0o700);
    await Promise.all(
      [this.processes, this.logs, this.global].map((folder) => mkdir(folder, { recursive: true })),
    );
  }
}

/** Writes a file whole or not at all, and so that it survives a power cut. Default mode 0600. */
export async function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes renames, links and removals in a folder survive a power cut; the file's own `sync` does not cover its name. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * The JSON in a file; `undefined` when there is no such file.
 * @throws E_STATE_CORRUPT when it is not JSON
 */
export async function readJson<T>(path: string): Promise<T | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw fault("E_STATE_CORRUPT", `The file ${path} is not JSON.`, { cause });
  }
}
