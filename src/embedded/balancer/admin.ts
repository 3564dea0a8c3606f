import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { fault } from "../../core/error.ts";
import { publicError } from "../../core/problem.ts";
import type { BalancerTarget } from "../../ports/balancer.ts";
import { sendError } from "../proxy/answer.ts";
import type { TargetTable } from "./target-table.ts";

/** Where the process takes orders, on its one listener, from whoever shows the internal token. */
export const adminPath = "/_rowhouse/balancer/targets";

const addressPattern = /^[^\s/@?#]+:\d{1,5}$/;
const defaultDrainSeconds = 30;

/** True when the request is for the administration and shows the token; all others learn nothing of it. */
export function isAdministration(request: IncomingMessage, internalToken: string): boolean {
  if (!request.url?.startsWith(adminPath)) return false;
  return sha256Equal(request.headers.authorization ?? "", `Bearer ${internalToken}`);
}

/** `GET` all targets, `PUT` and `DELETE` one by its id. */
export async function administer(
  request: IncomingMessage,
  response: ServerResponse,
  table: TargetTable,
): Promise<void> {
  try {
    const url = new URL(request.url ?? "", "http://balancer");
    const id = decodeURIComponent(url.pathname.slice(adminPath.length + 1));
    if (request.method === "GET" && id === "") return send(response, 200, table.list());
    if (request.method === "PUT" && id !== "") {
      await table.register(readTarget(id, await json(request)));
      return send(response, 204);
    }
    if (request.method === "DELETE" && id !== "") {
      const drainSeconds = Number(url.searchParams.get("drainSeconds") ?? defaultDrainSeconds);
      if (!(drainSeconds >= 0)) throw fault("E_ARGUMENT", "drainSeconds is no number of seconds.");
      await table.deregister(id, drainSeconds);
      return send(response, 204);
    }
    throw fault("E_NOT_FOUND");
  } catch (error) {
    sendError(request, response, publicError(error));
  }
}

/** Checked by hand: loading a schema library would lengthen the gap when the process is started again. */
function readTarget(id: string, body: unknown): BalancerTarget {
  const { address, zone } = (body ?? {}) as { address?: unknown; zone?: unknown };
  if (typeof address !== "string" || !addressPattern.test(address)) {
    throw fault("E_ARGUMENT", "A target's address is host:port.");
  }
  if (typeof zone !== "string" || zone === "") throw fault("E_ARGUMENT", "A target's zone is missing.");
  return { id, address, zone };
}

function send(response: ServerResponse, status: number, body?: unknown): void {
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

/** Compares in constant time, whatever the lengths. */
function sha256Equal(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
