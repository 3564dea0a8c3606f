import { createHash } from "node:crypto";
import { type FileHandle, link, mkdir, open, readdir, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fault } from "../core/error.ts";
import { processIdentity } from "./process-identity.ts";
import { syncFolder } from "./state-folder.ts";

/** A body that is on the disk, whole, and not yet anyone's. */
export interface StagedBody {
  readonly id: string;
  readonly size: number;
  /** Hex SHA-256 of the bytes. */
  readonly sha256: string;
}

/**
 * The objects' bytes: one file for each version, named by its id, spread over up to 256 folders. While a version is being
 * written, a second name under `incoming/` says which process does so; a body that has neither a row in the index
 * nor a living writer is left from a crash, and swept.
 */
export class ObjectBodies {
  readonly #incoming: string;
  readonly #bodies: string;

  constructor(folder: string) {
    this.#incoming = join(folder, "incoming");
    this.#bodies = join(folder, "bodies");
  }

  async create(): Promise<void> {
    await mkdir(this.#incoming, { recursive: true, mode: 0o700 });
    await mkdir(this.#bodies, { recursive: true, mode: 0o700 });
    await syncFolder(dirname(this.#bodies));
  }

  /**
   * Writes the bytes under the id, in constant memory. The caller makes the version known, or not, and then calls
   * `settle`. @throws E_DISK_FULL, and whatever the body's stream fails with: nothing stays then
   */
  async stage(id: string, body: Uint8Array | Readable): Promise<StagedBody> {
    const incoming = this.#incomingPath(id);
    try {
      const file = await open(incoming, "wx", 0o600);
      const written = await writeAll(file, body).finally(() => file.close());
      await this.#publish(id);
      return { id, ...written };
    } catch (error) {
      if (!(body instanceof Uint8Array)) body.destroy();
      await this.#remove(id).catch(() => {});
      throw isNoSpace(error) ? fault("E_DISK_FULL", undefined, { cause: error }) : error;
    }
  }

  /** Ends a stage: the body stays when its version is known to the index, and goes when not. */
  async settle(id: string, kept: boolean): Promise<void> {
    if (kept) await removeFile(this.#incomingPath(id));
    else await this.#remove(id);
  }

  /** An open file, which a removal meanwhile does not disturb; `undefined` when there is none. */
  async open(id: string): Promise<FileHandle | undefined> {
    try {
      return await open(this.#path(id), "r");
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  /** After the index has forgotten them; what a crash leaves here is swept. */
  async remove(ids: readonly string[]): Promise<void> {
    await Promise.all(ids.map((id) => removeFile(this.#path(id))));
  }

  /**
   * Removes what crashed writers left, and returns how many files that were. `known` gives the ids in the index from
   * `first` on and before `end`.
   */
  async sweep(known: (first: string, end: string) => Promise<ReadonlySet<string>>): Promise<number> {
    let removed = 0;
    for (const shard of await readdir(this.#bodies)) {
      // In this order a version that is being written is seen in at least one of the three.
      const bodies = await readdir(join(this.#bodies, shard));
      if (bodies.length === 0) continue;
      const beingWritten = (await this.#incomingFiles()).living;
      const inIndex = await known(shard, `${shard}~`);
      const orphans = bodies.filter((id) => !beingWritten.has(id) && !inIndex.has(id));
      await this.remove(orphans);
      removed += orphans.length;
    }
    const { dead } = await this.#incomingFiles();
    await Promise.all(dead.map((name) => removeFile(join(this.#incoming, name))));
    return removed + dead.length;
  }

  async #incomingFiles(): Promise<{ living: ReadonlySet<string>; dead: readonly string[] }> {
    const living = new Set<string>();
    const dead: string[] = [];
    const isAlive = new Map<string, boolean>();
    for (const name of await readdir(this.#incoming)) {
      const [pid = "", identity = "", id = ""] = name.split(".");
      const alive = isAlive.get(`${pid}.${identity}`) ?? encodedIdentity(Number(pid)) === identity;
      isAlive.set(`${pid}.${identity}`, alive);
      if (alive) living.add(id);
      else dead.push(name);
    }
    return { living, dead };
  }

  async #publish(id: string): Promise<void> {
    const shard = dirname(this.#path(id));
    const made = await mkdir(shard, { recursive: true, mode: 0o700 });
    if (made !== undefined) await syncFolder(this.#bodies);
    await link(this.#incomingPath(id), this.#path(id));
    await syncFolder(shard);
  }

  async #remove(id: string): Promise<void> {
    await removeFile(this.#path(id));
    await removeFile(this.#incomingPath(id));
  }

  #path(id: string): string {
    return join(this.#bodies, id.slice(0, 2), id);
  }

  #incomingPath(id: string): string {
    ownIdentity ??= encodedIdentity(process.pid);
    return join(this.#incoming, `${process.pid}.${ownIdentity}.${id}`);
  }
}

let ownIdentity: string | undefined;

function encodedIdentity(pid: number): string | undefined {
  const identity = processIdentity(pid);
  return identity === undefined ? undefined : Buffer.from(identity).toString("base64url");
}

async function writeAll(
  file: FileHandle,
  body: Uint8Array | Readable,
): Promise<{ size: number; sha256: string }> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    const bytes: Uint8Array = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    hash.update(bytes);
    size += bytes.length;
    await file.writeFile(bytes);
  }
  await file.sync();
  return { size, sha256: hash.digest("hex") };
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => (isMissing(error) ? undefined : Promise.reject(error)));
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === "ENOENT";
}

function isNoSpace(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return code === "ENOSPC" || code === "EDQUOT";
}
