import { createHmac, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { edgeMarkerHeader, forwardRequestHeaders } from "../../core/balancing/forwarded-headers.ts";
import { isPrivatePath } from "../../core/balancing/private-path.ts";
import { isIdempotent } from "../../core/balancing/retry.ts";
import { fault } from "../../core/error.ts";
import { readHost } from "../../core/tenant/host.ts";
import type { Clock, Random } from "../../ports/clock.ts";
import { Exchange } from "./exchange.ts";
import type { Upgrade } from "./front.ts";
import { announcesBody, type RequestBody, readBody } from "./request-body.ts";
import type { Upstreams } from "./upstream.ts";

/** A request that names one host and one path. */
export interface Admitted {
  readonly host: string;
  /** In origin form. */
  readonly path: string;
}

/**
 * Reads where the request is to go.
 * @throws E_METHOD_REFUSED, E_HOST_INVALID, E_REQUEST_TARGET, and E_NOT_FOUND for the platform's own paths
 */
export function admit(request: IncomingMessage): Admitted {
  if (request.method === "TRACE") throw fault("E_METHOD_REFUSED", "TRACE is not served here.");
  const admitted = readHost(request.rawHeaders, request.url ?? "");
  if (isPrivatePath(admitted.path)) throw fault("E_NOT_FOUND");
  return admitted;
}

/** What the edge shows to the balancers: derived from the internal token, so that no request carries the token. */
export function edgeMarker(internalToken: string): string {
  return createHmac("sha256", internalToken).update("rowhouse edge").digest("hex");
}

const noBody: RequestBody = { kind: "none" };

/** Passes requests on. The edge proves by the marker that it wrote the forwarding headers; a balancer checks it. */
export class Forwarder {
  readonly #role: "edge" | "balancer";
  readonly #marker: string;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: {
    readonly role: "edge" | "balancer";
    readonly internalToken: string;
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#role = options.role;
    this.#marker = edgeMarker(options.internalToken);
    this.#clock = options.clock;
    this.#random = options.random;
  }

  forward(call: {
    readonly request: IncomingMessage;
    readonly response: ServerResponse;
    readonly path: string;
    readonly upstreams: Upstreams;
    readonly upgrade?: Upgrade | undefined;
  }): void {
    const { request, response, path, upstreams, upgrade } = call;
    const headers = this.#headers(request);
    const clock = this.#clock;
    if (!announcesBody(request.rawHeaders)) {
      new Exchange({ request, response, path, headers, body: noBody, upstreams, clock, upgrade }).attempt();
      return;
    }
    readBody(request, isIdempotent(request.method ?? "")).then(
      (body) => new Exchange({ request, response, path, headers, body, upstreams, clock, upgrade }).attempt(),
      // Nobody is left to be told.
      () => response.destroy(),
    );
  }

  #headers(request: IncomingMessage): string[] {
    const headers = forwardRequestHeaders(request.rawHeaders, {
      clientAddress: request.socket.remoteAddress ?? "",
      requestId: this.#random.uuid(),
      fromEdge: this.#role === "balancer" && this.#isFromEdge(request.rawHeaders),
    });
    if (this.#role === "edge") headers.push(edgeMarkerHeader, this.#marker);
    return headers;
  }

  #isFromEdge(rawHeaders: readonly string[]): boolean {
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] ?? "";
      if (name.length !== edgeMarkerHeader.length || name.toLowerCase() !== edgeMarkerHeader) continue;
      const shown = Buffer.from(rawHeaders[i + 1] ?? "", "latin1");
      const expected = Buffer.from(this.#marker, "latin1");
      return shown.length === expected.length && timingSafeEqual(shown, expected);
    }
    return false;
  }
}
