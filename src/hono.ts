import type { Env, Hono } from "hono";
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import { type Application, type ApplicationOptions, defineApp } from "./instance/application.ts";
import { currentTenant } from "./instance/context.ts";
import type { Tenant } from "./instance/tenant.ts";

declare module "hono" {
  interface ContextVariableMap {
    tenant: Tenant;
  }
}

/**
 * Wraps a Hono application; in its handlers the tenant is `c.get("tenant")`.
 * @throws E_APP_INVALID
 */
export function hono<E extends Env>(app: Hono<E>, options: ApplicationOptions): Application {
  // A copy has the application's own answers to errors and unknown paths; its routes follow after the tenant's.
  const wrapped = app.basePath("/");
  wrapped.router = new SmartRouter({ routers: [new RegExpRouter(), new TrieRouter()] });
  wrapped.routes = [];
  wrapped.use(async (context, next) => {
    (context as unknown as { set(key: string, value: Tenant): void }).set("tenant", currentTenant());
    await next();
  });
  wrapped.route("/", app);
  return defineApp({ ...options, fetch: (request) => wrapped.fetch(request) });
}
