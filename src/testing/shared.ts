/** Something that the first who needs it opens, and the last who lets go closes. */
export class Shared<T> {
  readonly #open: () => Promise<T>;
  readonly #close: (opened: T) => Promise<void>;
  #users = 0;
  #opened: Promise<T> | undefined;
  /** The latest opening or closing: each waits for the one before. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(open: () => Promise<T>, close: (opened: T) => Promise<void>) {
    this.#open = open;
    this.#close = close;
  }

  /** Each call is made up for by one of {@link release}, unless it fails. */
  async acquire(): Promise<T> {
    this.#users++;
    if (!this.#opened) {
      this.#opened = this.#settled.then(this.#open);
      this.#settled = this.#opened.catch(() => {});
    }
    const opening = this.#opened;
    try {
      return await opening;
    } catch (error) {
      this.#users--;
      // The next one tries again.
      if (this.#opened === opening) this.#opened = undefined;
      throw error;
    }
  }

  async release(): Promise<void> {
    this.#users--;
    const opened = this.#opened;
    if (this.#users > 0 || !opened) return;
    this.#opened = undefined;
    const closing = opened.then(this.#close);
    this.#settled = closing.catch(() => {});
    await closing;
  }
}
