import type { MiddlewareHandler } from "hono";
import { fault } from "../core/error.ts";
import type { ApiDependencies, ApiEnvironment } from "./dependencies.ts";

/** Lets pass who shows an operator's token. @throws E_UNAUTHORIZED */
export function requireOperator(operators: ApiDependencies["operators"]): MiddlewareHandler<ApiEnvironment> {
  return async (context, next) => {
    const token = /^Bearer +([\w.~+/-]+=*) *$/i.exec(context.req.header("authorization") ?? "")?.[1];
    const operator = token === undefined ? undefined : await operators.verify(token);
    if (!operator) {
      // RFC 6750, 3.1: the error is named only when there was a token.
      context.header(
        "www-authenticate",
        `Bearer realm="rowhouse"${token === undefined ? "" : ', error="invalid_token"'}`,
      );
      throw fault("E_UNAUTHORIZED");
    }
    context.set("operator", operator);
    await next();
  };
}
