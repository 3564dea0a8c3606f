import { toRowhouseError } from "../../core/error.ts";
import { connect } from "../../postgres/connect.ts";
import type { NodePlace } from "./node.ts";
import { nextReplicationStep, type StandbyView } from "./replication.ts";
import type { ServerRecord } from "./server-record.ts";
import type { ServerState } from "./server-state.ts";

/** Decides whether a primary's commits wait for its standby, and keeps `inSync` true only while they all do. */
export class Synchrony {
  readonly #record: ServerRecord;
  readonly #primary: () => NodePlace;
  readonly #configurePrimary: () => Promise<void>;
  readonly #log: (message: string) => void;
  readonly #ended: AbortSignal;
  #isWaitedFor: boolean;
  /** Counts the releases, so that a confirmation that began before one does not count. */
  #releases = 0;
  #confirmation: Promise<void> | undefined;

  constructor(options: {
    readonly record: ServerRecord;
    readonly primary: () => NodePlace;
    /** Gives the running primary the configuration that follows from {@link isWaitedFor}. */
    readonly configurePrimary: () => Promise<void>;
    readonly log: (message: string) => void;
    readonly ended: AbortSignal;
  }) {
    this.#record = options.record;
    this.#primary = options.primary;
    this.#configurePrimary = options.configurePrimary;
    this.#log = options.log;
    this.#ended = options.ended;
    this.#isWaitedFor = options.record.state.inSync;
  }

  /** Commits wait for the standby. It is so all the while that `inSync` is true, and for a moment before. */
  get isWaitedFor(): boolean {
    return this.#isWaitedFor;
  }

  /** Does what follows from how the standby is; `unheardMilliseconds` as {@link nextReplicationStep} has it. */
  async advance(view: StandbyView, unheardMilliseconds: number): Promise<void> {
    const { inSync } = this.#record.state;
    const step = nextReplicationStep({ view, isWaitedFor: this.#isWaitedFor, inSync, unheardMilliseconds });
    if (step === "release") await this.release();
    if (step === "join") {
      this.#isWaitedFor = true;
      await this.#configurePrimary();
    }
    if (step === "confirm") {
      this.#confirmation ??= this.#confirm()
        .catch((error: unknown) =>
          this.#log(`the standby is not confirmed: ${toRowhouseError(error).message}`),
        )
        .finally(() => {
          this.#confirmation = undefined;
        });
    }
  }

  /** Commits stop waiting. Before that it is written down that the standby may lack some of them from now on. */
  async release(): Promise<void> {
    this.#releases++;
    if (this.#record.state.inSync) this.#log("the standby is not in sync any more");
    await this.#record.change((state) => (state.inSync ? { ...state, inSync: false } : state));
    this.#isWaitedFor = false;
    await this.#configurePrimary();
  }

  /** The pair's roles change: what was on its way counts no more, and the new primary's commits wait for none yet. */
  async startOver(change: (state: ServerState) => ServerState): Promise<void> {
    this.#releases++;
    await this.#record.change((state) => ({ ...change(state), inSync: false }));
    this.#isWaitedFor = false;
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    await this.#confirmation;
  }

  /**
   * Makes sure that the standby has every acknowledged commit. Two things are needed. All backends wait: they learn
   * of it from the checkpointer, which reads the configuration at the latest before it begins the next checkpoint.
   * And what was committed before that has arrived: one more commit waits for all WAL up to itself.
   */
  async #confirm(): Promise<void> {
    const releases = this.#releases;
    const client = await connect({
      endpoint: { nodes: [this.#primary()] },
      database: "postgres",
      credentials: await this.#record.credentials("administrator"),
      applicationName: "rowhouse-watch",
    });
    const cut = () => void client.end().catch(() => {});
    this.#ended.addEventListener("abort", cut, { once: true });
    try {
      await client.query("CHECKPOINT");
      await client.query("SELECT pg_logical_emit_message(true, 'rowhouse', 'in sync')");
    } finally {
      this.#ended.removeEventListener("abort", cut);
      await client.end();
    }
    await this.#record.change((state) => (this.#releases === releases ? { ...state, inSync: true } : state));
    if (this.#record.state.inSync) this.#log("the standby is in sync");
  }
}
