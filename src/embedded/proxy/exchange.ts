import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex, Readable } from "node:stream";
import type { Client, Dispatcher } from "undici";
import { forwardResponseHeaders } from "../../core/balancing/forwarded-headers.ts";
import { mayRepeat } from "../../core/balancing/retry.ts";
import { fault, type RowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import { breakOff, sendError } from "./answer.ts";
import type { Upgrade } from "./front.ts";
import type { RequestBody } from "./request-body.ts";
import { joinTunnel } from "./tunnel.ts";
import type { ConnectionFault, InFlight, Upstream, Upstreams } from "./upstream.ts";

/** A request that was read and found in order, on its way to one of `upstreams`. */
export interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** In origin form. */
  readonly path: string;
  /** Flat list of names and values. */
  readonly headers: string[];
  readonly body: RequestBody;
  readonly upstreams: Upstreams;
  readonly clock: Clock;
  /** The client wants a WebSocket. */
  readonly upgrade: Upgrade | undefined;
}

/** How long a request waits for an upstream, over all its attempts. */
const upstreamPatienceMilliseconds = 2000;
const answerPatienceMilliseconds = 60_000;
/** Neither side moved a byte of the answer. */
const idlePatienceMilliseconds = 300_000;

/**
 * One request from its first attempt to the end of its answer. Until something of an answer was passed on it may be
 * tried again elsewhere, as `core/balancing/retry` allows; afterwards the answer is passed on whole or broken off.
 */
export class Exchange implements Dispatcher.DispatchHandler, InFlight {
  place = -1;
  readonly #call: Call;
  #tried: Set<Upstream> | undefined;
  #upstream: Upstream | undefined;
  #client: Client | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #tunnel: Socket | undefined;
  #sentAttempts = 0;
  /** A byte of the present attempt may have reached the upstream. */
  #sent = false;
  /** The head of an answer was passed on. */
  #answered = false;
  #wroteBody = false;
  #timedOut = false;
  /** Nothing more is to be done: answered whole, given up, or nobody is there to read. */
  #over = false;
  #giveUpAt = Number.POSITIVE_INFINITY;
  #attemptedAt = 0;
  /** Since then neither the client's body nor an answer came on. */
  #waitingSince = 0;
  #bytesRead = 0;
  #lastActivity = 0;
  /** Bytes of the answer still to come; NaN when unknown. */
  #remaining = Number.NaN;

  constructor(call: Call) {
    this.#call = call;
    call.response.on("close", () => this.#onClose());
  }

  /** Begins, or tries again. */
  attempt(): void {
    if (this.#isOver()) return;
    const { upstreams, path, request, headers, body, clock } = this.#call;
    const upstream = upstreams.next(this.#tried);
    if (!upstream) {
      void this.#waitForUpstream();
      return;
    }
    this.#upstream = upstream;
    this.#client = upstream.begin(this);
    this.#controller = undefined;
    this.#sent = false;
    this.#attemptedAt = clock.elapsedMilliseconds();
    this.#waitingSince = this.#attemptedAt;
    const method = request.method ?? "GET";
    const upgrade = this.#call.upgrade ? "websocket" : null;
    this.#client.dispatch({ path, method, headers, body: openBody(body), upgrade }, this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#sent = true;
    this.#sentAttempts++;
    if (this.#isOver()) controller.abort(givenUp);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    statusText?: string,
  ): void {
    // Interim answers (103 and the like) are advice, and end here.
    if (status < 200) return;
    if (this.#isOver()) {
      controller.abort(givenUp);
      return;
    }
    const { response, body, clock, request } = this.#call;
    this.#lastActivity = clock.elapsedMilliseconds();
    // A streamed body comes at the client's pace, and tells nothing of the upstream's.
    if (body.kind !== "stream") this.#upstream?.answered(this.#lastActivity - this.#attemptedAt);
    const length = headers["content-length"];
    if (length !== undefined && request.method !== "HEAD") this.#remaining = Number(length);
    response.writeHead(status, statusText, forwardResponseHeaders(headers));
    this.#answered = true;
    if (length === undefined) this.#flushHead(response);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { response, clock } = this.#call;
    this.#wroteBody = true;
    this.#lastActivity = clock.elapsedMilliseconds();
    this.#remaining -= chunk.length;
    if (this.#remaining === 0) {
      response.end(chunk);
    } else if (!response.write(chunk)) {
      controller.pause();
      response.once("drain", () => controller.resume());
    }
  }

  onResponseEnd(): void {
    this.#release();
    this.#over = true;
    if (!this.#call.response.writableEnded) this.#call.response.end();
  }

  onRequestUpgrade(
    _controller: Dispatcher.DispatchController,
    _status: number,
    headers: IncomingHttpHeaders,
    upstream: Duplex,
  ): void {
    const upgrade = this.#call.upgrade;
    if (!upgrade || this.#isOver()) {
      upstream.destroy();
      this.#release();
      return;
    }
    this.#answered = true;
    this.#lastActivity = Number.POSITIVE_INFINITY;
    this.#tunnel = upgrade.socket;
    this.#call.response.detachSocket(upgrade.socket);
    joinTunnel({
      client: upgrade.socket,
      head: upgrade.head,
      upstream,
      headers,
      onClose: () => this.#release(),
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    const upstream = this.#release();
    if (this.#isOver()) return;
    if (this.#answered) {
      this.#over = true;
      if (!this.#call.response.writableEnded) breakOff(this.#call.response);
      return;
    }
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (requestFaults.has(code)) {
      this.#finish(
        fault("E_REQUEST_MALFORMED", "The path or a header holds a character that HTTP does not allow."),
      );
      return;
    }
    if (upstream && (error !== givenUp || this.#timedOut))
      upstream.failed(this.#timedOut ? "timeout" : classify(code));
    if (upstream) this.#tried = (this.#tried ?? new Set()).add(upstream);
    this.#tryAgainOrGiveUp();
  }

  /** Where no length is announced, as with events, the head must not wait for the first bytes of the body. */
  #flushHead(response: ServerResponse): void {
    queueMicrotask(() => {
      if (!this.#wroteBody && !response.writableEnded) response.flushHeaders();
    });
  }

  moveAway(): void {
    if (this.#sent && !this.#answered && this.#mayRepeat()) this.#controller?.abort(givenUp);
  }

  expire(now: number): void {
    if (this.#answered) {
      if (now - this.#lastActivity > idlePatienceMilliseconds) this.#controller?.abort(givenUp);
      return;
    }
    const { request } = this.#call;
    if (!request.complete && request.socket.bytesRead !== this.#bytesRead) {
      this.#bytesRead = request.socket.bytesRead;
      this.#waitingSince = now;
    }
    if (now - this.#waitingSince <= answerPatienceMilliseconds) return;
    this.#timedOut = true;
    this.#controller?.abort(givenUp);
  }

  abandon(): void {
    if (this.#tunnel) this.#tunnel.destroy();
    else if (this.#sent) this.#controller?.abort(givenUp);
    else void this.#client?.destroy();
  }

  /** Nobody reads any more. */
  #onClose(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller?.abort(givenUp);
  }

  /** Also true when the client was answered by someone else: its body came in too slowly, or was malformed. */
  #isOver(): boolean {
    return this.#over || (!this.#answered && this.#call.response.headersSent);
  }

  async #waitForUpstream(): Promise<void> {
    const { upstreams, clock } = this.#call;
    const now = clock.elapsedMilliseconds();
    this.#giveUpAt = Math.min(this.#giveUpAt, now + upstreamPatienceMilliseconds);
    if (now >= this.#giveUpAt) {
      this.#finish(upstreams.exhausted());
      return;
    }
    await upstreams.changed(this.#giveUpAt - now);
    this.attempt();
  }

  #tryAgainOrGiveUp(): void {
    const now = this.#call.clock.elapsedMilliseconds();
    if (this.#timedOut) this.#finish(fault("E_INSTANCE_TIMEOUT"));
    else if (!this.#mayRepeat()) this.#finish(fault("E_INSTANCE_FAILED"));
    else if (now > this.#giveUpAt) this.#finish(this.#call.upstreams.exhausted());
    else {
      this.#giveUpAt = Math.min(this.#giveUpAt, now + upstreamPatienceMilliseconds);
      // undici is still busy with the connection that failed.
      queueMicrotask(() => this.attempt());
    }
  }

  #mayRepeat(): boolean {
    return mayRepeat({
      method: this.#call.request.method ?? "",
      sent: this.#sent,
      bodyRepeatable: this.#call.body.kind !== "stream",
      sentAttempts: this.#sentAttempts,
    });
  }

  #finish(error: RowhouseError): void {
    this.#over = true;
    const { request, response } = this.#call;
    sendError(request, response, error, error.status === 503 ? { retryAfterSeconds: 1 } : {});
  }

  #release(): Upstream | undefined {
    const upstream = this.#upstream;
    if (upstream && this.#client) upstream.end(this, this.#client);
    this.#upstream = undefined;
    this.#client = undefined;
    return upstream;
  }
}

/** Why an attempt was ended from this side. */
const givenUp = new Error("The attempt was given up.");

/** What undici refuses to send though the parser in front let it pass. */
const requestFaults: ReadonlySet<string> = new Set(["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED"]);

function classify(code: string): ConnectionFault {
  if (code === "ECONNREFUSED") return "refused";
  return code === "UND_ERR_CONNECT_TIMEOUT" ? "timeout" : "broken";
}

function openBody(body: RequestBody): Buffer | Readable | null {
  if (body.kind === "none") return null;
  return body.kind === "whole" ? body.bytes : body.open();
}
