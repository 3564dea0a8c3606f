import type { FastifyInstance } from "fastify";
import { type Application, type ApplicationOptions, defineApp } from "./instance/application.ts";
import { currentTenant } from "./instance/context.ts";
import type { Tenant } from "./instance/tenant.ts";

declare module "fastify" {
  interface FastifyRequest {
    tenant: Tenant;
  }
}

/**
 * Wraps a Fastify application that does not listen yet; in its handlers the tenant is `request.tenant`.
 * @throws E_APP_INVALID
 */
export function fastify(app: FastifyInstance, options: ApplicationOptions): Application {
  app.decorateRequest("tenant", { getter: currentTenant });
  let ready: PromiseLike<unknown> | undefined;
  let isReady = false;
  return defineApp({
    ...options,
    node: async (request, response) => {
      if (!isReady) {
        ready ??= app.ready();
        await ready;
        isReady = true;
      }
      app.routing(request, response);
    },
  });
}
