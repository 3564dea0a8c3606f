import { Client } from "undici";
import type { RowhouseError } from "../../core/error.ts";

/** What went wrong with a connection: it could not be opened, or broke, or nothing came in time. */
export type ConnectionFault = "refused" | "broken" | "timeout";

/** A request on its way, as its upstream sees it. */
export interface InFlight {
  /** Its place in {@link Upstream.inFlight}, kept by the upstream. */
  place: number;
  /** Tries elsewhere if that is allowed and nothing was answered yet. */
  moveAway(): void;
  /** Ends the request if it waits for longer than any request may. */
  expire(now: number): void;
  /** The upstream goes: tries elsewhere if that is allowed, else tells the client. */
  abandon(): void;
}

/** Where requests go next. */
export interface Upstreams {
  /** The best for the next attempt; one of `tried` only when there is no other as good. */
  next(tried?: ReadonlySet<Upstream>): Upstream | undefined;
  /** Resolves when `next` may say something else, at the latest after `milliseconds`. */
  changed(milliseconds: number): Promise<void>;
  /** What the client reads when none came in time. */
  exhausted(): RowhouseError;
}

/**
 * One server that requests are passed to, over connections that are kept. Each connection is an undici client of its
 * own with one request at a time: a pool's queueing and balancing would be work done twice.
 */
export class Upstream {
  readonly address: string;
  /**
   * In no order. An array and not a Set: each time a Set makes room for what comes by dropping what went, V8 links
   * the old table to the new one, and under load all requests live until the next full collection.
   */
  readonly inFlight: InFlight[] = [];
  readonly #idle: Client[] = [];
  #closed = false;

  constructor(address: string) {
    this.address = address;
  }

  get outstanding(): number {
    return this.inFlight.length;
  }

  /** Takes a connection for a request; the one used last comes first, so that surplus ones time out. */
  begin(exchange: InFlight): Client {
    exchange.place = this.inFlight.push(exchange) - 1;
    return this.#idle.pop() ?? openClient(this.address);
  }

  end(exchange: InFlight, client: Client): void {
    const last = this.inFlight.pop();
    if (last && last !== exchange) {
      this.inFlight[exchange.place] = last;
      last.place = exchange.place;
    }
    if (this.#closed) void client.destroy();
    else if (!client.destroyed) this.#idle.push(client);
  }

  /** An answer began after so long. */
  answered(_milliseconds: number): void {}

  /** An attempt failed. */
  failed(_fault: ConnectionFault): void {}

  /** Ends what is still on its way and gives all connections back. */
  close(): void {
    this.#closed = true;
    for (const exchange of [...this.inFlight]) exchange.abandon();
    for (const client of this.#idle.splice(0)) void client.destroy();
  }
}

function openClient(address: string): Client {
  return new Client(`http://${address}`, {
    connectTimeout: 1000,
    // Waiting for answers is bounded by one sweep over all requests, which is cheaper than two timers for each.
    headersTimeout: 0,
    bodyTimeout: 0,
    // More than one spares a turn of the event loop after each answer; never is a second request queued.
    pipelining: 2,
    maxHeaderSize: 64 * 1024,
    allowH2: false,
  });
}
