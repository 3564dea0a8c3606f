import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import { withFileLock } from "../file-lock.ts";
import { processIdentity } from "../process-identity.ts";
import { isAlive } from "../processes.ts";
import { readJson, writeFileAtomically } from "../state-folder.ts";

/** The process that looks after a folder's servers. */
interface Holder {
  readonly pid: number;
  readonly identity: string;
}

const retryMilliseconds = 50;

/** Who uses the claim in this process, by folder. */
const users = new Map<string, Set<FolderClaim>>();

/**
 * Makes one process alone look after the servers of a folder, and change their roles: two that did would end each
 * other's nodes. A holder that died has let go; one that hangs has not. The file names the holder and is no lock that
 * the system keeps: such a lock would be lost whenever the same process read and closed its file.
 */
export class FolderClaim {
  readonly #folder: string;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string, clock: Clock) {
    this.#folder = folder;
    this.#clock = clock;
  }

  /**
   * Waits until this process is the holder.
   * @throws E_STATE_LOCKED when another one is for longer than `timeoutMilliseconds`, or what `signal` says
   */
  async take(options: {
    readonly timeoutMilliseconds: number;
    readonly signal?: AbortSignal;
  }): Promise<void> {
    const deadline = this.#clock.elapsedMilliseconds() + options.timeoutMilliseconds;
    for (;;) {
      options.signal?.throwIfAborted();
      const holder = await this.#inTurn(() => this.#tryToTake());
      if (!holder) return;
      if (this.#clock.elapsedMilliseconds() > deadline) {
        throw fault(
          "E_STATE_LOCKED",
          `The process ${holder.pid} looks after the database servers in ${this.#folder}.`,
        );
      }
      await this.#clock.sleep(retryMilliseconds, options.signal);
    }
  }

  /** Lets go, if it is not needed any more when it comes to that, and nobody else in this process uses the folder. */
  async release(isUnneeded: () => boolean): Promise<void> {
    await this.#inTurn(async () => {
      if (!isUnneeded() || !users.get(this.#folder)?.has(this)) return;
      await withFileLock(this.#lockFile, async () => {
        const mine = users.get(this.#folder);
        mine?.delete(this);
        if (mine && mine.size > 0) return;
        users.delete(this.#folder);
        await rm(this.#file, { force: true });
      });
    });
  }

  /** Taking and releasing must not overtake each other. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  get #file(): string {
    return `${this.#folder}.holder.json`;
  }

  get #lockFile(): string {
    return `${this.#folder}.lock`;
  }

  /** Returns who holds it instead. */
  async #tryToTake(): Promise<Holder | undefined> {
    if (users.get(this.#folder)?.has(this)) return undefined;
    await mkdir(dirname(this.#folder), { recursive: true });
    return withFileLock(this.#lockFile, async () => {
      const mine = users.get(this.#folder);
      const holder = mine ? undefined : await readJson<Holder>(this.#file);
      if (holder && isAlive(holder) && holder.pid !== process.pid) return holder;
      if (!mine) {
        const self: Holder = { pid: process.pid, identity: processIdentity(process.pid) ?? "" };
        await writeFileAtomically(this.#file, JSON.stringify(self));
      }
      users.set(this.#folder, (mine ?? new Set()).add(this));
      return undefined;
    });
  }
}
