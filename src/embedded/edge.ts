import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { fault, type RowhouseError } from "../core/error.ts";
import { publicError } from "../core/problem.ts";
import { classifyHost } from "../core/tenant/host.ts";
import type { Clock, Random } from "../ports/clock.ts";
import { RegionUpstream } from "./edge/region-upstream.ts";
import { sendError } from "./proxy/answer.ts";
import { admit, Forwarder } from "./proxy/forwarder.ts";
import { Front, type Upgrade } from "./proxy/front.ts";

/** Where a tenant's requests go. */
export interface EdgeRoute {
  readonly region: string;
  /** As the region's balancer describes itself. */
  readonly balancerUrl: string;
}

export interface EdgeOptions {
  readonly host: string;
  readonly port: number;
  /** Apex hosts; a tenant is one label under one of them. */
  readonly domains: readonly string[];
  /** Asked for each request, so it should know by heart; `undefined` when there is no such tenant. */
  readonly lookupRegion: (slug: string) => Promise<EdgeRoute | undefined> | EdgeRoute | undefined;
  /** Serves the apex: the sign-up page and the console. Node's own request and response go along. */
  readonly apex: (request: Request, node: HttpBindings) => Response | Promise<Response>;
  readonly internalToken: string;
  readonly clock: Clock;
  readonly random: Random;
}

/** The entrance for browsers: the apex's pages, and every tenant's host on its way to the balancer of its region. */
export interface Edge {
  /** Returns the port. @throws E_PORT_IN_USE */
  listen(): Promise<number>;
  /** Takes no new connection, lets requests end for up to `graceMilliseconds` (default 10 s), and stops. */
  close(graceMilliseconds?: number): Promise<void>;
}

const defaultGraceMilliseconds = 10_000;

/** Makes the edge. An unknown tenant, a nested label, an IP address and a foreign host get the same 404. */
export function createEdge(options: EdgeOptions): Edge {
  const { domains, lookupRegion, clock, random, internalToken } = options;
  const forwarder = new Forwarder({ role: "edge", internalToken, clock, random });
  const regions = new Map<string, RegionUpstream>();
  const serveApex = getRequestListener((request, node) => options.apex(request, node as HttpBindings), {
    overrideGlobalObjects: false,
  });

  const handle = async (
    request: IncomingMessage,
    response: ServerResponse,
    upgrade?: Upgrade,
  ): Promise<void> => {
    const { host, path } = admit(request);
    const name = classifyHost(host, domains);
    if (name.kind === "apex" && !upgrade) {
      request.url = path;
      await serveApex(request, response);
      return;
    }
    const route = name.kind === "tenant" ? await lookupRegion(name.slug) : undefined;
    if (!route) throw nothingHere();
    const upstreams = regions.get(route.balancerUrl) ?? new RegionUpstream(route.balancerUrl, clock);
    regions.set(route.balancerUrl, upstreams);
    forwarder.forward({ request, response, path, upstreams, upgrade });
  };

  const front = new Front({
    clock,
    handler: (request, response, upgrade) => {
      handle(request, response, upgrade).catch((error) => sendError(request, response, publicError(error)));
    },
  });
  return {
    listen: () => front.listen(options.host, options.port),
    close: async (graceMilliseconds = defaultGraceMilliseconds) => {
      await front.close(graceMilliseconds);
      for (const region of regions.values()) region.close();
    },
  };
}

/** In the words of an instance, so that nobody can tell from where it comes. */
function nothingHere(): RowhouseError {
  return fault("E_NOT_FOUND", "There is nothing at this address.", {
    remedy: "Check the address for a slip of the keyboard.",
  });
}
