import type { IncomingMessage, ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { fault, type RowhouseError } from "../core/error.ts";
import { publicError } from "../core/problem.ts";
import { isConnectionLoss } from "../postgres/connect.ts";
import type { Application, FetchHandler } from "./application.ts";
import { currentTenant } from "./context.ts";
import { isDatabaseLoss } from "./pools/failures.ts";
import { answerError, errorMessage } from "./respond.ts";
import type { Tenant } from "./tenant.ts";

/** Calls the application for one request; whatever it throws is answered and told to the tenant's log. */
export type ApplicationListener = (
  request: IncomingMessage,
  response: ServerResponse,
  tenant: Tenant,
) => void;

/** One listener for both styles of handler. It has to run in the tenant's context. */
export function createApplicationListener(application: Application): ApplicationListener {
  const { handler } = application;
  if (handler.style === "fetch") {
    const listener = getRequestListener((request) => callFetch(handler.fetch, request), {
      errorHandler: answerFailure,
    });
    return (request, response) => void listener(request, response);
  }
  const { node } = handler;
  return (request, response, tenant) => {
    const fail = (thrown: unknown) => {
      logFailure(tenant, thrown, request.method, request.url);
      answerError(response, clientError(thrown), request.headers.accept);
    };
    try {
      const result: unknown = node(request, response, tenant);
      if (result instanceof Promise) result.catch(fail);
    } catch (thrown) {
      fail(thrown);
    }
  };
}

/** Stays synchronous where the application does, which the adapter answers faster. */
function callFetch(fetch: FetchHandler, request: Request): Response | Promise<Response> {
  const tenant = currentTenant();
  const fail = (thrown: unknown) => {
    logFailure(tenant, thrown, request.method, request.url);
    return failureResponse(thrown, request.headers.get("accept") ?? undefined);
  };
  try {
    const result = fetch(request, tenant);
    return result instanceof Promise ? result.then(requireResponse).catch(fail) : requireResponse(result);
  } catch (thrown) {
    return fail(thrown);
  }
}

function requireResponse(result: Response): Response {
  if (typeof result === "object" && result !== null) return result;
  throw new TypeError("The application's fetch handler returned no Response");
}

/** For what goes wrong outside the application: a request that can't be read. */
function answerFailure(thrown: unknown): Response {
  return failureResponse(thrown, undefined);
}

function failureResponse(thrown: unknown, accept: string | undefined): Response {
  const { status, headers, body } = errorMessage(clientError(thrown), accept);
  return new Response(body, { status, headers });
}

function logFailure(
  tenant: Tenant,
  thrown: unknown,
  method: string | undefined,
  url: string | undefined,
): void {
  const error = clientError(thrown);
  const level = error.status < 500 ? "info" : "error";
  tenant.log[level]("request failed", { method, url, code: error.code, error: thrown });
}

/** A database that goes away under a query is no fault of the application's: the client may ask again in a moment. */
function clientError(thrown: unknown): RowhouseError {
  const isLoss = isDatabaseLoss(thrown) || (isConnectionLoss(thrown) && !isSystemError(thrown));
  if (!isLoss) return publicError(thrown);
  return fault("E_DATABASE_UNAVAILABLE", undefined, { cause: thrown, remedy: "Try again in a few seconds." });
}

/** As ECONNREFUSED: it may be of whatever else the application talks to. */
function isSystemError(thrown: unknown): boolean {
  return /^E[A-Z]+$/.test(String((thrown as { code?: unknown }).code));
}
