import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { z } from "zod";
import { fault } from "../../core/error.ts";
import { publicError } from "../../core/problem.ts";
import { sendError } from "../proxy/answer.ts";
import type { TargetTable } from "./target-table.ts";

/** Where the process takes orders, on its one listener, from whoever shows the internal token. */
export const adminPath = "/_rowhouse/balancer/targets";

const targetSchema = z.strictObject({
  address: z.string().regex(/^[^\s/@?#]+:\d{1,5}$/, "an address is host:port"),
  zone: z.string().min(1),
});
const drainSchema = z.coerce.number().min(0).max(3600).default(30);

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
      const target = targetSchema.safeParse(await json(request));
      if (!target.success) throw fault("E_ARGUMENT", z.prettifyError(target.error));
      await table.register({ id, ...target.data });
      return send(response, 204);
    }
    if (request.method === "DELETE" && id !== "") {
      const drain = drainSchema.safeParse(url.searchParams.get("drainSeconds") ?? undefined);
      if (!drain.success) throw fault("E_ARGUMENT", z.prettifyError(drain.error));
      await table.deregister(id, drain.data);
      return send(response, 204);
    }
    throw fault("E_NOT_FOUND");
  } catch (error) {
    sendError(request, response, publicError(error));
  }
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
