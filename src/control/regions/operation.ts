import { toRowhouseError } from "../../core/error.ts";
import type { StackProgress } from "../../ports/stacks.ts";

/** What can be done to a region as a whole. */
export type RegionOperationKind = "create" | "delete" | "fail-over" | "fail-back";

/** Work on a region that others may watch, whenever they come. */
export class RegionOperation {
  readonly kind: RegionOperationKind;
  /** Rejects with what the work failed with. */
  readonly done: Promise<void>;
  readonly #messages: string[] = [];
  #hasEnded = false;
  #news = Promise.withResolvers<void>();

  constructor(kind: RegionOperationKind, work: (onProgress: StackProgress) => Promise<void>) {
    this.kind = kind;
    this.done = work((message) => {
      this.#messages.push(message);
      this.#tell();
    }).finally(() => {
      this.#hasEnded = true;
      this.#tell();
    });
    // Whoever waits is told; perhaps nobody does.
    this.done.catch(() => {});
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Each message from the first on, until the end or the abort. @throws what the work failed with */
  async *follow(signal: AbortSignal): AsyncGenerator<string, void, void> {
    const aborted = new Promise<void>((resolve) =>
      signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    for (let seen = 0; !signal.aborted; ) {
      const news = this.#news.promise;
      const message = this.#messages[seen];
      if (message !== undefined) {
        seen++;
        yield message;
      } else if (this.#hasEnded) {
        await this.done.catch((error: unknown) => {
          throw toRowhouseError(error);
        });
        return;
      } else await Promise.race([news, aborted]);
    }
  }

  #tell(): void {
    const news = this.#news;
    this.#news = Promise.withResolvers();
    news.resolve();
  }
}
