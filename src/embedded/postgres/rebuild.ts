import { rename } from "node:fs/promises";
import { toRowhouseError } from "../../core/error.ts";
import { standbyName } from "./configuration.ts";
import { removeDataFolders, unfinishedFolder } from "./creation.ts";
import type { NodeLiveness, NodePlace } from "./node.ts";
import type { NodeKeeper } from "./node-keeper.ts";
import type { ServerRecord } from "./server-record.ts";
import { buildStandby } from "./standby.ts";

/** A standby without a connection to its primary for so long is given up. */
const patienceMilliseconds = 3000;
/** One that does not take connections yet may still replay what it has. */
const startingPatienceMilliseconds = 30_000;
const longestPauseMilliseconds = 30_000;

/** Replaces a standby that can't come back by itself: its folder is damaged, or the primary's WAL went on without it. */
export class StandbyRebuild {
  readonly #record: ServerRecord;
  readonly #ended: AbortSignal;
  readonly #log: (message: string) => void;
  #running: Promise<void> | undefined;
  #failures = 0;
  #notBefore = 0;

  constructor(options: {
    readonly record: ServerRecord;
    readonly ended: AbortSignal;
    readonly log: (message: string) => void;
  }) {
    this.#record = options.record;
    this.#ended = options.ended;
    this.#log = options.log;
  }

  /** The standby's folder and process are not to be touched meanwhile. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Begins a rebuild when the standby was without a connection for too long; does not wait for its end. */
  beginIfLost(options: {
    readonly primary: NodePlace;
    readonly standby: NodeKeeper;
    readonly liveness: NodeLiveness;
    readonly disconnectedMilliseconds: number;
    /** Commits stop waiting, and the standby counts as out of sync: its data is about to go. */
    readonly release: () => Promise<void>;
  }): void {
    const { primary, standby, liveness, disconnectedMilliseconds, release } = options;
    const patience = this.#patience(liveness);
    if (this.#running || disconnectedMilliseconds < patience) return;
    if (primary.clock.elapsedMilliseconds() < this.#notBefore) return;
    // Another copy would not free the port.
    if (standby.fault?.code === "E_PORT_IN_USE") return;
    this.#running = this.#rebuild(primary, standby, release)
      .then(() => this.#finished(0, primary))
      .catch((error: unknown) => {
        this.#log(`the standby could not be rebuilt: ${toRowhouseError(error).message}`);
        this.#finished(this.#failures + 1, primary);
      });
  }

  #patience(standby: NodeLiveness): number {
    if (this.#record.state.diverged !== undefined) return 0;
    return standby.status === "starting" ? startingPatienceMilliseconds : patienceMilliseconds;
  }

  /** Resolves when no rebuild runs. */
  async settled(): Promise<void> {
    await this.#running;
  }

  #finished(failures: number, primary: NodePlace): void {
    this.#running = undefined;
    this.#failures = failures;
    const pause = Math.min(longestPauseMilliseconds, patienceMilliseconds * 2 ** failures);
    this.#notBefore = primary.clock.elapsedMilliseconds() + pause;
  }

  async #rebuild(primary: NodePlace, standby: NodeKeeper, release: () => Promise<void>): Promise<void> {
    const { zone, dataFolder, binaries, clock } = standby.node.place;
    this.#log(`rebuilding the standby in zone ${zone}`);
    await release();
    await standby.node.stop("SIGQUIT", 1000);
    const copy = unfinishedFolder(this.#record.folder);
    try {
      const credentials = await this.#record.credentials("administrator");
      await buildStandby({
        primary: { endpoint: { nodes: [primary] }, credentials, dataFolder: primary.dataFolder },
        name: standbyName(zone),
        into: copy,
        user: binaries.user,
        clock,
        signal: this.#ended,
      });
      // The old copy stays until the new one is whole, and goes under another name: half removed it could be started.
      await rename(dataFolder, unfinishedFolder(this.#record.folder)).catch(unlessMissing);
      await rename(copy, dataFolder);
      await this.#record.change((state) => {
        const { diverged, ...rest } = state;
        return diverged === undefined ? state : rest;
      });
    } finally {
      await removeDataFolders(this.#record.folder, "unfinished");
    }
  }
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
