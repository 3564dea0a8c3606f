import type { IncomingMessage, ServerResponse } from "node:http";
import type { Config } from "../core/config/schema.ts";
import { fault, type RowhouseError } from "../core/error.ts";
import { publicError } from "../core/problem.ts";
import { type TokenBucket, takeToken } from "../core/rate/token-bucket.ts";
import { classifyHost, readHost } from "../core/tenant/host.ts";
import type { DirectoryEntry } from "../core/tenant/tenant.ts";
import type { Clock } from "../ports/clock.ts";
import type { ApplicationListener } from "./application-listener.ts";
import { forwardHeld } from "./forward-held.ts";
import { answerInternal, type InternalActions, internalPath } from "./internal-routes.ts";
import { answerError, answerJson, type ErrorAnswerOptions } from "./respond.ts";
import type { TenantRuntime } from "./runtime.ts";
import type { Tenant } from "./tenant.ts";

/** The plan's rate is held on average over a minute: a page with its pictures, or an import, is no abuse. */
const limitBurstSeconds = 60;

/** Serves signed URLs of stored objects; resolves to false for what is none. */
export type ObjectsHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
) => Promise<boolean>;

/** Serves a release's assets. `path` is without its query. */
export interface AssetsHandler {
  answer(path: string, request: IncomingMessage, response: ServerResponse): Promise<void>;
}

export interface RequestRouterOptions {
  readonly runtime: TenantRuntime;
  readonly config: Config;
  readonly clock: Clock;
  readonly listener: ApplicationListener;
  readonly internal: InternalActions;
  readonly objectsHandler?: ObjectsHandler;
  readonly assets?: AssetsHandler;
  /** Where another region's balancer is reached from here, if it is: for requests that were held during a move. */
  readonly balancerUrl?: (region: string) => string | undefined;
  /** False while the instance winds up: the balancer then sends nothing more. */
  readonly isHealthy: () => boolean;
}

const movingTimeoutMilliseconds = 30_000;
const objectsPath = "/_rowhouse/objects/";
const assetsPath = "/_rowhouse/assets/";
const platformPath = "/_rowhouse/";

/** From a request to its tenant: reads the host, finds the tenant, refuses whom it must, and calls the application. */
export class RequestRouter {
  readonly #options: RequestRouterOptions;
  readonly #domains: readonly string[];
  readonly #buckets = new Map<string, TokenBucket>();

  constructor(options: RequestRouterOptions) {
    this.#options = options;
    this.#domains = [options.config.domain, "localhost"];
  }

  /** Never throws: whatever goes wrong is answered. */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    const { region, instanceId, release } = this.#options.runtime.identity;
    response.setHeader("x-rowhouse-region", region);
    response.setHeader("x-rowhouse-instance", instanceId);
    response.setHeader("x-rowhouse-release", release);
    try {
      const { host, path } = readHost(request.rawHeaders, request.url ?? "/");
      // An absolute URL was checked against the host; the application sees the path alone.
      request.url = path;
      if (path.startsWith(platformPath) && this.#answerForAnyHost(request, response, path)) return;
      const name = classifyHost(host, this.#domains);
      if (name.kind !== "tenant") throw nothingHere();
      const entry = this.#options.runtime.directory.find(name.slug);
      const tenant =
        entry?.state === "active" && this.#isHome(entry) ? this.#options.runtime.ready(entry) : undefined;
      if (entry && tenant) this.#serve(request, response, entry, tenant);
      else
        this.#answerWhenKnown(request, response, name.slug).catch((thrown) =>
          this.#fail(request, response, thrown),
        );
    } catch (thrown) {
      this.#fail(request, response, thrown);
    }
  };

  #isHome(entry: DirectoryEntry): boolean {
    return entry.region === this.#options.runtime.identity.region;
  }

  #answerForAnyHost(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    if (withoutQuery(path) === `${platformPath}health`) {
      this.#answerHealth(response);
      return true;
    }
    if (!path.startsWith(internalPath)) return false;
    answerInternal(withoutQuery(path), { request, response }, this.#options.internal).catch((thrown) =>
      this.#fail(request, response, thrown),
    );
    return true;
  }

  #answerHealth(response: ServerResponse): void {
    const { identity, connections, directory } = this.#options.runtime;
    const healthy = this.#options.isHealthy();
    answerJson(response, healthy ? 200 : 503, {
      status: healthy ? "ok" : "draining",
      instance: identity.instanceId,
      zone: identity.zone,
      release: identity.release,
      region: identity.region,
      tenants: directory.size,
      connections: connections.statistics(),
    });
  }

  async #answerWhenKnown(request: IncomingMessage, response: ServerResponse, slug: string): Promise<void> {
    const { runtime } = this.#options;
    let entry = await runtime.directory.lookup(slug);
    const wasHome = entry !== undefined && this.#isHome(entry);
    // The region that it comes to waits too: it may get a request of someone who knows already.
    if (entry?.state === "moving") entry = await this.#waitOutMove(response, slug);
    if (response.destroyed) return;
    if (!entry || entry.state === "provisioning" || entry.state === "failed") throw nothingHere();
    if (!this.#isHome(entry)) {
      const balancerUrl = wasHome ? this.#options.balancerUrl?.(entry.region) : undefined;
      if (balancerUrl !== undefined) return forwardHeld(request, response, balancerUrl);
      answerError(
        response,
        fault("E_WRONG_REGION"),
        request.headers.accept,
        this.#rightAddress(entry, request),
      );
      return;
    }
    const refusal = refusalByState(entry);
    if (refusal) throw refusal;
    const tenant = await runtime.open(entry);
    if (response.destroyed) return;
    // It may have begun to move while it was opened.
    if (runtime.directory.find(slug)?.state === "moving")
      await this.#answerWhenKnown(request, response, slug);
    else this.#serve(request, response, entry, tenant);
  }

  /** What the tenant is once it moves no more; still `moving` when that took too long. */
  async #waitOutMove(response: ServerResponse, slug: string): Promise<DirectoryEntry | undefined> {
    const { directory } = this.#options.runtime;
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    await directory.waitUntil(slug, {
      fits: (entry) => entry?.state !== "moving",
      timeoutMilliseconds: movingTimeoutMilliseconds,
      signal: gone.signal,
    });
    return directory.find(slug);
  }

  #rightAddress(entry: DirectoryEntry, request: IncomingMessage): ErrorAnswerOptions {
    const location = `https://${entry.slug}.${this.#options.config.domain}${request.url ?? "/"}`;
    return { headers: { location }, members: { region: entry.region, location } };
  }

  #serve(request: IncomingMessage, response: ServerResponse, entry: DirectoryEntry, tenant: Tenant): void {
    const path = request.url ?? "/";
    if (path.startsWith(platformPath)) {
      this.#answerPlatform(request, response, path).catch((thrown) => this.#fail(request, response, thrown));
      return;
    }
    const retryAfterSeconds = this.#overLimit(entry);
    if (retryAfterSeconds !== undefined) {
      const headers = { "retry-after": String(retryAfterSeconds) };
      answerError(response, fault("E_RATE_LIMITED"), request.headers.accept, { headers });
      return;
    }
    const { runtime, listener } = this.#options;
    const { reads, writes } = runtime.inFlight;
    response.once("close", (isSafe(request.method) ? reads : writes).begin(entry.slug));
    runtime.runAs(tenant, () => listener(request, response, tenant));
  }

  async #answerPlatform(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const { objectsHandler, assets } = this.#options;
    if (assets && path.startsWith(assetsPath)) return assets.answer(withoutQuery(path), request, response);
    if (path.startsWith(objectsPath) && (await objectsHandler?.(request, response, path))) return;
    throw nothingHere();
  }

  /** Takes one of the tenant's requests; returns the seconds to wait where there is none left. */
  #overLimit(entry: DirectoryEntry): number | undefined {
    const perSecond = this.#options.config.plans[entry.plan]?.requestsPerSecond;
    if (perSecond === undefined) return undefined;
    const nowMilliseconds = this.#options.clock.elapsedMilliseconds();
    const limit = { perSecond, burstSeconds: limitBurstSeconds, nowMilliseconds };
    const decision = takeToken(this.#buckets.get(entry.slug), limit);
    this.#buckets.set(entry.slug, decision.bucket);
    return decision.allowed ? undefined : decision.retryAfterSeconds;
  }

  #fail(request: IncomingMessage, response: ServerResponse, thrown: unknown): void {
    const error = publicError(thrown);
    if (error.status >= 500)
      this.#options.runtime.log.error("request failed", { url: request.url, error: thrown });
    answerError(response, error, request.headers.accept);
  }
}

/** The same words for every name that is no tenant, so that they tell nothing of those that are. */
function nothingHere(): RowhouseError {
  return fault("E_NOT_FOUND", "There is nothing at this address.", {
    remedy: "Check the address for a slip of the keyboard.",
  });
}

function refusalByState(entry: DirectoryEntry): RowhouseError | undefined {
  switch (entry.state) {
    case "suspended":
      return fault("E_TENANT_SUSPENDED", "This site is paused for now.", { remedy: "Ask whoever runs it." });
    case "closing":
    case "closed":
      return fault("E_TENANT_CLOSED");
    case "moving":
      return fault("E_TENANT_UNAVAILABLE");
    default:
      return undefined;
  }
}

/** Source: RFC 9110, 9.2.1. */
function isSafe(method: string | undefined): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS" || method === "TRACE";
}

function withoutQuery(path: string): string {
  const question = path.indexOf("?");
  return question < 0 ? path : path.slice(0, question);
}
