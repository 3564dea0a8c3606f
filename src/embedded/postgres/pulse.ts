import { connect } from "node:net";
import type { DatabaseNode } from "../../ports/databases.ts";

/** Between the beginnings of two probes. */
const pauseMilliseconds = 500;
const patienceMilliseconds = 1000;
/**
 * So many probes in a row without an answer, each a second long, and a last look after them: a node that is merely
 * busy, or was starved by its neighbours for a moment, forks a process within that time. Counting probes instead of
 * looking at the clock also forgives a pause of this process, or of the whole machine, as one missed probe.
 */
const mostMissed = 3;

/** SSLRequest: the first thing that a client may say. Source: PostgreSQL's documentation, "Message Formats". */
const request = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/** `silent`: it let the whole time pass. `unknown`: nothing could be asked; whether its process lives is seen elsewhere. */
type Answer = "answer" | "silent" | "unknown";

/**
 * Asks whether a node has anything to say to a new connection, be it a refusal. One whose postmaster is stopped
 * accepts the connection (the kernel does) and is silent.
 */
export function ask(node: DatabaseNode): Promise<Answer> {
  return new Promise((resolve) => {
    const socket = connect(node.port, node.host, () => socket.write(request));
    const settle = (answer: Answer) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    // An answer that came while this process was busy is read before the timer counts.
    const timer = setTimeout(() => setImmediate(() => settle("silent")), patienceMilliseconds);
    socket.once("data", () => settle("answer"));
    // Among them what is this side's own trouble: no port or file descriptor left.
    socket.once("error", () => settle("unknown"));
    socket.once("close", () => settle("unknown"));
  });
}

/** Feels whether a running node still answers, without ever waiting for it. */
export class Pulse {
  readonly #node: DatabaseNode;
  #missed = 0;
  #notBefore = 0;
  #isProbing = false;

  constructor(node: DatabaseNode) {
    this.#node = node;
  }

  /** The last probe was not answered: whoever asks the node something else waits in vain, most likely. */
  get isWeak(): boolean {
    return this.#missed > 0;
  }

  /** No probe was answered for so long that one last look is to decide. */
  get isSuspect(): boolean {
    return this.#missed >= mostMissed;
  }

  /** Begins a probe when it is time for one. */
  feel(nowMilliseconds: number): void {
    if (this.#isProbing || nowMilliseconds < this.#notBefore) return;
    this.#notBefore = nowMilliseconds + pauseMilliseconds;
    void this.#probe();
  }

  /** Forgets what was felt: the process is another one, or answered after all. */
  reset(): void {
    this.#missed = 0;
  }

  /** Until there is an answer, one probe follows the other. */
  async #probe(): Promise<void> {
    this.#isProbing = true;
    let answer: Answer;
    do {
      answer = await ask(this.#node);
      if (answer === "answer") this.#missed = 0;
      if (answer === "silent") this.#missed++;
    } while (answer === "silent" && !this.isSuspect);
    this.#isProbing = false;
  }
}
