import type { IncomingMessage, ServerResponse } from "node:http";
import { type Application, type ApplicationOptions, defineApp } from "./instance/application.ts";
import type { Tenant } from "./instance/tenant.ts";

declare global {
  namespace Express {
    interface Request {
      tenant: Tenant;
    }
  }
}

/** What Express makes, and every other framework whose application is a function of `node:http`. */
export type ExpressApplication = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * Wraps an Express application; in its handlers the tenant is `req.tenant`.
 * @throws E_APP_INVALID
 */
export function express(app: ExpressApplication, options: ApplicationOptions): Application {
  return defineApp({
    ...options,
    node: (request, response, tenant) => {
      (request as IncomingMessage & { tenant?: Tenant }).tenant = tenant;
      return app(request, response);
    },
  });
}
