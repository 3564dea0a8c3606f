import { join } from "node:path";
import { readJson, type StateFolder, writeFileAtomically } from "../state-folder.ts";

/**
 * What a command last asked for of a region, and how far that is. A region without a record is as its config says.
 * Written before anything is done, so that whoever comes after a crash knows what to finish.
 */
interface StackRecord {
  /** `absent`: deleted by command, and stays so although the config starts it. */
  readonly status: "creating" | "ready" | "failed" | "deleting" | "absent";
  /** Why it failed. */
  readonly problem: string | null;
}

/** The file `stacks.json` of a state folder. Only the one supervisor of the folder writes it. */
export class StackRecords {
  readonly #path: string;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(folder: StateFolder) {
    this.#path = join(folder.path, "stacks.json");
  }

  /** @throws E_STATE_CORRUPT */
  async read(): Promise<ReadonlyMap<string, StackRecord>> {
    const stored = await readJson<Record<string, StackRecord>>(this.#path);
    return new Map(Object.entries(stored ?? {}));
  }

  /** One write after the other, each on what the one before made. */
  put(region: string, status: StackRecord["status"], problem: string | null = null): Promise<void> {
    return this.#change((records) => records.set(region, { status, problem }));
  }

  /** The region is as its config says again. */
  remove(region: string): Promise<void> {
    return this.#change((records) => records.delete(region));
  }

  async #change(change: (records: Map<string, StackRecord>) => unknown): Promise<void> {
    const changing = this.#writing.then(async () => {
      const records = new Map(await this.read());
      change(records);
      await writeFileAtomically(this.#path, JSON.stringify(Object.fromEntries(records)));
    });
    this.#writing = changing.catch(() => {});
    return changing;
  }
}
