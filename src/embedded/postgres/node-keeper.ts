import { type RowhouseError, toRowhouseError } from "../../core/error.ts";
import type { NodeConfiguration } from "./configuration.ts";
import type { NodeLiveness, PostgresNode } from "./node.ts";

const longestPauseMilliseconds = 5000;

/** Keeps one node running: starts it again when it died, at once the first time and then with growing pauses. */
export class NodeKeeper {
  readonly node: PostgresNode;
  readonly #log: (message: string) => void;
  #isComingUp = false;
  #failures = 0;
  #retryAt = 0;
  #fault: RowhouseError | undefined;

  constructor(node: PostgresNode, log: (message: string) => void) {
    this.node = node;
    this.#log = log;
  }

  /** Why the last start failed; nothing once the node runs. */
  get fault(): RowhouseError | undefined {
    return this.#fault;
  }

  /** One look at the node (or the one given), and a start if it is down. Does not wait until it takes connections. */
  async keep(configuration: NodeConfiguration, seen?: NodeLiveness): Promise<NodeLiveness> {
    const found = seen ?? (await this.node.look());
    if (found.status === "running") {
      this.#succeeded();
      await this.node.configure(configuration);
    }
    if (found.status !== "down") return found;
    if (this.#isComingUp) this.#failed(await this.node.lastWords());
    if (this.node.place.clock.elapsedMilliseconds() < this.#retryAt) return found;
    this.#log(`starting ${this.node.place.processName}`);
    try {
      await this.node.start(configuration);
      this.#isComingUp = true;
    } catch (error) {
      this.#failed(toRowhouseError(error));
    }
    return this.node.look();
  }

  #succeeded(): void {
    this.#isComingUp = false;
    this.#failures = 0;
    this.#retryAt = 0;
    this.#fault = undefined;
  }

  #failed(error: RowhouseError): void {
    this.#isComingUp = false;
    this.#failures++;
    this.#fault = error;
    const pause = Math.min(longestPauseMilliseconds, 50 * 2 ** this.#failures);
    this.#retryAt = this.node.place.clock.elapsedMilliseconds() + pause;
    this.#log(`${this.node.place.processName} did not start: ${error.message}`);
  }
}
