import { createServer, type IncomingMessage, type Server, ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { fault, type RowhouseError } from "../../core/error.ts";
import { publicError } from "../../core/problem.ts";
import type { Clock } from "../../ports/clock.ts";
import { rawAnswer, sendError } from "./answer.ts";
import { announcesBody } from "./request-body.ts";
import { UploadWatch } from "./upload-watch.ts";

/** A connection that left HTTP: the socket, and what the client sent right behind its request. */
export interface Upgrade {
  readonly socket: Socket;
  readonly head: Buffer;
}

export type FrontHandler = (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade) => void;

const maximumHeaderBytes = 16 * 1024;
const headersTimeoutMilliseconds = 10_000;
const keepAliveMilliseconds = 60_000;
/** Each may need a second one to an instance; Linux gives a process 20,000 file descriptors or more. */
const defaultMaximumConnections = 8192;
const makeRoomMilliseconds = 100;
/** A client that still sends is read for so long after it was refused, so that it can see why. */
const lingerMilliseconds = 1000;

/**
 * The HTTP/1.1 server that strangers talk to: bounds on headers, connections and time, and an answer in words for
 * what Node's strict parser refuses. What it lets pass goes to `handler`.
 */
export class Front {
  readonly #server: Server;
  readonly #handler: FrontHandler;
  readonly #clock: Clock;
  readonly #uploads = new UploadWatch();
  readonly #latest = new WeakMap<Duplex, ServerResponse>();
  readonly #refused = new WeakSet<Duplex>();
  readonly #tunnels = new Set<Socket>();
  #closing = false;
  #makingRoom: NodeJS.Timeout | undefined;

  constructor(options: {
    readonly handler: FrontHandler;
    readonly clock: Clock;
    readonly maximumConnections?: number;
  }) {
    this.#handler = options.handler;
    this.#clock = options.clock;
    this.#server = createServer({
      maxHeaderSize: maximumHeaderBytes,
      headersTimeout: headersTimeoutMilliseconds,
      // Bodies are timed by their pace: a large honest one may take long.
      requestTimeout: 0,
      connectionsCheckingInterval: 1000,
      keepAliveTimeout: keepAliveMilliseconds,
      // Answered here, with a reason.
      requireHostHeader: false,
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: (request) => request.headers.upgrade?.toLowerCase() === "websocket",
    });
    this.#server.maxConnections = options.maximumConnections ?? defaultMaximumConnections;
    // Node drops headers beyond a number silently, a second Host included; the bound in bytes is enough.
    this.#server.maxHeadersCount = 0;
    this.#server
      .on("request", (request, response) => this.#onRequest(request, response))
      .on("upgrade", (request, socket, head) => this.#onUpgrade(request, socket as Socket, head))
      .on("connect", (request, socket) => this.#onConnect(request, socket as Socket))
      .on("clientError", (error, socket) => this.#onClientError(error, socket))
      .on("drop", () => this.#makeRoom());
  }

  /** @throws E_PORT_IN_USE */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      const onError = (cause: NodeJS.ErrnoException) => {
        const inUse = cause.code === "EADDRINUSE";
        reject(inUse ? fault("E_PORT_IN_USE", `Port ${port} of ${host} is taken.`, { cause }) : cause);
      };
      this.#server.once("error", onError);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off("error", onError);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no new connection, lets requests end for `graceMilliseconds`, then cuts what is left. */
  async close(graceMilliseconds: number): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const deadline = this.#clock.elapsedMilliseconds() + graceMilliseconds;
    while ((await this.#connections()) > 0 && this.#clock.elapsedMilliseconds() < deadline) {
      this.#server.closeIdleConnections();
      await this.#clock.sleep(20);
    }
    this.#server.closeAllConnections();
    for (const socket of this.#tunnels) socket.destroy();
    await closed;
  }

  #connections(): Promise<number> {
    return new Promise((resolve) =>
      this.#server.getConnections((error, count) => resolve(error ? 0 : count)),
    );
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): void {
    this.#latest.set(request.socket, response);
    if (this.#closing) response.shouldKeepAlive = false;
    if (announcesBody(request.rawHeaders)) this.#uploads.add(request, response);
    try {
      this.#handler(request, response, upgrade);
    } catch (error) {
      sendError(request, response, publicError(error));
    }
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    this.#tunnels.add(socket);
    socket.once("close", () => this.#tunnels.delete(socket));
    this.#onRequest(request, respondOn(request, socket), { socket, head });
  }

  #onConnect(request: IncomingMessage, socket: Socket): void {
    sendError(request, respondOn(request, socket), fault("E_METHOD_REFUSED", "CONNECT is not served here."));
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#refused.has(socket) || !socket.writable) {
      socket.destroy();
      return;
    }
    this.#refused.add(socket);
    const reason = explain(error.code ?? "");
    const latest = this.#latest.get(socket);
    if (reason === undefined) {
      socket.destroy();
    } else if (latest === undefined || latest.writableFinished) {
      socket.on("error", () => socket.destroy());
      socket.end(rawAnswer(reason));
      this.#linger(socket);
    } else if (latest.socket === socket && !latest.headersSent && !latest.req.complete) {
      // The fault lies in the body of the request that is being answered.
      sendError(latest.req, latest, reason, { close: true });
    } else {
      // An answer to an earlier request is under way, and this one would be taken for it.
      socket.destroy();
    }
  }

  /** Soon, and not now: to Node a connection is idle as well while its first request is on the way. */
  #makeRoom(): void {
    this.#makingRoom ??= setTimeout(() => {
      this.#makingRoom = undefined;
      this.#server.closeIdleConnections();
    }, makeRoomMilliseconds).unref();
  }

  /** Without reading on, closing resets the connection, and the answer is lost. */
  #linger(socket: Duplex): void {
    const timer = setTimeout(() => socket.destroy(), lingerMilliseconds).unref();
    socket.once("close", () => clearTimeout(timer));
    socket.removeAllListeners("data").resume();
  }
}

/** A response on a socket that Node has given away. */
function respondOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  socket.on("error", () => socket.destroy());
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once("finish", () => socket.end());
  return response;
}

/** What a refusal of Node's parser means to the client; `undefined` when the client itself is gone. */
function explain(code: string): RowhouseError | undefined {
  if (code === "HPE_HEADER_OVERFLOW") return fault("E_HEADERS_TOO_LARGE");
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return fault("E_REQUEST_TIMEOUT");
  if (code === "HPE_INVALID_METHOD")
    return fault("E_REQUEST_MALFORMED", "The request names no known HTTP method.");
  if (code.startsWith("HPE_")) {
    const words = code.slice("HPE_".length).toLowerCase().replaceAll("_", " ");
    return fault("E_REQUEST_MALFORMED", `The request is not well-formed HTTP/1.1 (${words}).`);
  }
  return undefined;
}
