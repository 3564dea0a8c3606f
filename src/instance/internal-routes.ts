import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { fault } from "../core/error.ts";
import { plantCanaries, readCanaries } from "./canaries.ts";
import { answerJson } from "./respond.ts";
import type { Tenant } from "./tenant.ts";

/** Where the control plane reaches an instance. */
export const internalPath = "/_rowhouse/internal/";

const longestBodyBytes = 10_000;

/** What the control plane may ask of an instance. */
export interface InternalActions {
  readonly token: string;
  /** Runs the application's seed as the tenant. */
  readonly seed: (slug: string) => Promise<void>;
  /** Does something as the tenant, in whatever state it is. */
  readonly runAs: (slug: string, work: (tenant: Tenant) => Promise<void>) => Promise<void>;
}

/**
 * Answers a request under {@link internalPath}: `POST seed` with `{ slug }`, `POST canaries` with
 * `{ slug, canaries }`.
 * @throws E_UNAUTHORIZED without the internal token, E_NOT_FOUND for strangers behind a balancer too, E_ARGUMENT, and
 * what the action throws
 */
export async function answerInternal(
  path: string,
  exchange: { readonly request: IncomingMessage; readonly response: ServerResponse },
  actions: InternalActions,
): Promise<void> {
  const { request, response } = exchange;
  // Every balancer says whom it asks for; the platform's own processes come straight.
  if (request.headers["x-forwarded-for"] !== undefined) throw fault("E_NOT_FOUND");
  if (!isAuthorized(request.headers.authorization, actions.token)) {
    throw fault("E_UNAUTHORIZED", undefined, { remedy: "This path is for the platform's own processes." });
  }
  const action = path.slice(internalPath.length);
  if (request.method !== "POST" || !["seed", "canaries"].includes(action)) throw fault("E_NOT_FOUND");
  const { slug, canaries } = await readJsonBody(request);
  if (typeof slug !== "string") throw fault("E_ARGUMENT", "The body has no `slug`.");
  if (action === "seed") await actions.seed(slug);
  else await actions.runAs(slug, (tenant) => plantCanaries(tenant, readCanaries(canaries)));
  answerJson(response, 200, { slug });
}

/** Compares digests, so that neither the time nor the length tells anything of the token. */
function isAuthorized(header: string | undefined, token: string): boolean {
  const given = /^Bearer (.+)$/i.exec(header ?? "")?.[1] ?? "";
  return timingSafeEqual(sha256(given), sha256(token)) && given !== "";
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

async function readJsonBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > longestBodyBytes) throw fault("E_ARGUMENT", "The body is too long.");
    chunks.push(chunk);
  }
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below, together with JSON that is no object.
  }
  throw fault("E_ARGUMENT", "The body is no JSON object.");
}
