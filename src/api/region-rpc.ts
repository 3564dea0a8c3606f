import { timingSafeEqual } from "node:crypto";
import { Hono } from "hono";
import type { RegionControl } from "../control/region-control.ts";
import { fault, fromErrorJson, toRowhouseError } from "../core/error.ts";

type Method = keyof RegionControl;

/** Every method of {@link RegionControl}; the type makes a new one be named here. */
const methods: Readonly<Record<Method, true>> = {
  startSignup: true,
  signup: true,
  waitForSignup: true,
  profile: true,
  profiles: true,
  suspend: true,
  resume: true,
  close: true,
  outbox: true,
  status: true,
};

/** The controller's side: `POST /rpc/<method>` with JSON, for the control plane's own processes only. */
export function createRegionServer(parts: {
  readonly control: RegionControl;
  readonly internalToken: string;
}): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    if (!isEqual(context.req.header("authorization") ?? "", `Bearer ${parts.internalToken}`))
      throw fault("E_UNAUTHORIZED");
    await next();
  });
  app.post("/rpc/:method", async (context) => {
    const method = context.req.param("method");
    if (!Object.hasOwn(methods, method)) throw fault("E_NOT_FOUND", `There is no method "${method}".`);
    const call = parts.control[method as Method] as (argument: unknown) => Promise<unknown>;
    const result = await call.call(parts.control, await context.req.json());
    return context.json({ result: result ?? null });
  });
  app.onError((thrown, context) => {
    const error = toRowhouseError(thrown);
    return context.json({ error: error.toJSON() }, error.status as 500);
  });
  return app;
}

/** The control plane's side of the same: a region as an object, wherever its controller runs. */
export function createRegionClient(parts: {
  readonly url: string;
  readonly internalToken: string;
}): RegionControl {
  async function call(method: Method, argument: unknown): Promise<unknown> {
    const response = await send(parts, method, argument);
    const body = (await response.json()) as {
      result?: unknown;
      error?: { code?: unknown; message?: unknown };
    };
    if (body.error) throw fromErrorJson(body.error);
    return body.result ?? undefined;
  }
  const client = Object.keys(methods).map((method) => [
    method,
    (argument: unknown = {}) => call(method as Method, argument),
  ]);
  return Object.fromEntries(client) as unknown as RegionControl;
}

async function send(
  parts: { readonly url: string; readonly internalToken: string },
  method: Method,
  argument: unknown,
): Promise<Response> {
  try {
    return await fetch(`${parts.url}/rpc/${method}`, {
      method: "POST",
      headers: { authorization: `Bearer ${parts.internalToken}`, "content-type": "application/json" },
      body: JSON.stringify(argument),
    });
  } catch (cause) {
    throw fault("E_REGION_UNAVAILABLE", undefined, { cause });
  }
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
