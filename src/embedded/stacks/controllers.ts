import { setTimeout as sleep } from "node:timers/promises";
import { type ProcessRecord, type ProcessTable, programFile } from "../processes.ts";
import type { StateFolder } from "../state-folder.ts";

const restartPauseMilliseconds = 500;

interface Watch {
  readonly stopping: AbortController;
  readonly ended: Promise<void>;
}

/** The controllers of a state folder's regions, each started again whenever it ends. */
export class Controllers {
  readonly #folder: StateFolder;
  readonly #processes: ProcessTable;
  readonly #watches = new Map<string, Watch>();

  constructor(folder: StateFolder, processes: ProcessTable) {
    this.#folder = folder;
    this.#processes = processes;
  }

  /** Whether it looks after the region's controller. */
  has(region: string): boolean {
    return this.#watches.has(region);
  }

  /** Starts a region's controller, or takes over the one that runs, and looks after it from now on. */
  async start(region: string): Promise<void> {
    if (this.#watches.has(region)) return;
    const stopping = new AbortController();
    const first = this.#ensure(region);
    const ended = first.then((record) => this.#watch(region, record, stopping.signal)).catch(() => {});
    this.#watches.set(region, { stopping, ended });
    try {
      await first;
    } catch (error) {
      this.#watches.delete(region);
      throw error;
    }
  }

  /** Looks after one controller, or all of them, no longer; they run on. */
  async release(region?: string): Promise<void> {
    const names = region === undefined ? [...this.#watches.keys()] : [region];
    await Promise.all(
      names.map(async (name) => {
        const watch = this.#watches.get(name);
        watch?.stopping.abort();
        await watch?.ended;
        this.#watches.delete(name);
      }),
    );
  }

  #ensure(region: string): Promise<ProcessRecord> {
    return this.#processes.ensure({
      name: `${region}.controller`,
      kind: "controller",
      command: process.execPath,
      args: [programFile("controller"), "--state", this.#folder.path, "--region", region],
      labels: { region },
    });
  }

  async #watch(region: string, first: ProcessRecord, signal: AbortSignal): Promise<void> {
    let controller = first;
    while (!signal.aborted) {
      await this.#processes.exited(controller, signal).catch(() => {});
      if (signal.aborted) return;
      // A controller that can't start must not take the machine with it.
      await sleep(restartPauseMilliseconds, undefined, { signal }).catch(() => {});
      if (!signal.aborted) controller = await this.#ensure(region);
    }
  }
}
