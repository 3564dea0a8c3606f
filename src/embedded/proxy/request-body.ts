import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";

/** What goes along with a request: nothing, bytes that can be sent again, or a stream that can be read once. */
export type RequestBody =
  | { readonly kind: "none" }
  | { readonly kind: "whole"; readonly bytes: Buffer }
  | { readonly kind: "stream"; readonly open: () => Readable };

/** Bodies up to this size are kept, so that they can be sent to another target. */
const keptBytes = 64 * 1024;

/** True when the request's framing announces a body. */
export function announcesBody(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if (name.length === 14 && name.toLowerCase() === "content-length") return rawHeaders[i + 1] !== "0";
    if (name.length === 17 && name.toLowerCase() === "transfer-encoding") return true;
  }
  return false;
}

/**
 * Reads a body whole if it is small. A body of unknown length is waited for only when keeping it can help
 * (`repeatable`): a client may want an answer to its first chunk before it sends the second.
 * Rejects when the client goes away first.
 */
export async function readBody(request: IncomingMessage, repeatable: boolean): Promise<RequestBody> {
  const length = request.headers["content-length"];
  const wait = length === undefined ? repeatable : Number(length) <= keptBytes;
  if (!wait) return { kind: "stream", open: () => new BodyRelay(request, []) };
  const { chunks, ended } = await collect(request);
  if (ended) return { kind: "whole", bytes: Buffer.concat(chunks) };
  return { kind: "stream", open: () => new BodyRelay(request, chunks) };
}

/** All chunks up to the end, or somewhat more than {@link keptBytes} of them. */
function collect(request: IncomingMessage): Promise<{ chunks: Buffer[]; ended: boolean }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const settle = (finish: () => void) => {
      request.off("data", onData).off("end", onEnd).off("error", onGone).off("close", onGone);
      finish();
    };
    const onData = (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes <= keptBytes) return;
      request.pause();
      settle(() => resolve({ chunks, ended: false }));
    };
    const onEnd = () => settle(() => resolve({ chunks, ended: true }));
    const onGone = () => settle(() => reject(new Error("The client went away.")));
    request.on("data", onData).on("end", onEnd).on("error", onGone).on("close", onGone);
  });
}

/**
 * A view of a request's body that one attempt may destroy without harm to the request itself. Nothing is taken from
 * the request before somebody reads.
 */
class BodyRelay extends Readable {
  readonly #source: IncomingMessage;
  readonly #prefix: readonly Buffer[];
  #started = false;

  constructor(source: IncomingMessage, prefix: readonly Buffer[]) {
    super();
    this.#source = source;
    this.#prefix = prefix;
  }

  override _read(): void {
    if (this.#started) {
      this.#source.resume();
      return;
    }
    this.#started = true;
    for (const chunk of this.#prefix) this.push(chunk);
    this.#source
      .on("data", this.#onData)
      .on("end", this.#onEnd)
      .on("error", this.#onGone)
      .on("close", this.#onGone);
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#source
      .off("data", this.#onData)
      .off("end", this.#onEnd)
      .off("error", this.#onGone)
      .off("close", this.#onGone);
    done(error);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.push(chunk)) this.#source.pause();
  };
  readonly #onEnd = (): void => {
    this.push(null);
  };
  readonly #onGone = (): void => {
    if (!this.#source.readableEnded) this.destroy(new Error("The client went away."));
  };
}
