import { fault } from "../error.ts";
import { isSlug } from "./slug.ts";

/** What a host name stands for under the given domains. */
export type HostName =
  | { readonly kind: "apex" }
  | { readonly kind: "tenant"; readonly slug: string }
  | { readonly kind: "unknown" };

/** A host name with an optional port; IPv6 literals are left to fall through as never a tenant. */
const hostPattern =
  /^(?:[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*\.?|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/**
 * The one Host of a request, lower-cased, without port or trailing dot.
 * `rawHeaders` is Node's flat list of names and values; `target` the request line's second word.
 * An absolute-form target (RFC 9112, 3.2.2) must agree with the Host header.
 * @throws E_HOST_INVALID, E_REQUEST_TARGET
 */
export function readHost(rawHeaders: readonly string[], target: string): { host: string; path: string } {
  let value: string | undefined;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.length !== 4 || rawHeaders[i]?.toLowerCase() !== "host") continue;
    if (value !== undefined) throw fault("E_HOST_INVALID", "The request has two Host headers.");
    value = rawHeaders[i + 1];
  }
  if (value === undefined) throw fault("E_HOST_INVALID", "The request has no Host header.");
  const host = normalizeHost(value);
  if (target.startsWith("/")) return { host, path: target };
  return { host, path: readAbsoluteTarget(target, host) };
}

function normalizeHost(value: string): string {
  if (value.length > 259 || !hostPattern.test(value)) {
    throw fault("E_HOST_INVALID", "The Host header is malformed.");
  }
  return value.toLowerCase().replace(/:\d+$/, "").replace(/\.$/, "");
}

function readAbsoluteTarget(target: string, host: string): string {
  const url = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target);
  if (!url) throw fault("E_REQUEST_TARGET", "The request's target is neither a path nor a URL.");
  if (normalizeHost(url[1] ?? "") !== host) throw fault("E_REQUEST_TARGET");
  const path = url[2] ?? "";
  return path.startsWith("/") ? path : `/${path}`;
}

/**
 * Says what `host` (from {@link readHost}) stands for. Only one label directly under one of the domains can be
 * a tenant: an IP address, a nested label and a foreign domain never are.
 */
export function classifyHost(host: string, domains: readonly string[]): HostName {
  for (const domain of domains) {
    if (host === domain) return { kind: "apex" };
    if (!host.endsWith(domain) || host[host.length - domain.length - 1] !== ".") continue;
    const label = host.slice(0, host.length - domain.length - 1);
    if (isSlug(label)) return { kind: "tenant", slug: label };
  }
  return { kind: "unknown" };
}
