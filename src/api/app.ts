import { OpenAPIHono } from "@hono/zod-openapi";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import { fault, type RowhouseError, toRowhouseError } from "../core/error.ts";
import { problemContentType, problemDocument, publicError } from "../core/problem.ts";
import { refuseInvalid } from "./argument.ts";
import { requireOperator } from "./authentication.ts";
import type { Api, ApiDependencies, ApiEnvironment } from "./dependencies.ts";
import { addBackupRoutes } from "./routes/backups.ts";
import { addClosingRoutes } from "./routes/closing.ts";
import { addDatabaseRoutes } from "./routes/databases.ts";
import { addMailRoutes } from "./routes/mail.ts";
import { addMigrationRoutes } from "./routes/migrations.ts";
import { addMoveRoutes } from "./routes/moves.ts";
import { addRecoveryRoutes } from "./routes/recovery.ts";
import { addRegionRoutes } from "./routes/regions.ts";
import { addResidencyRoutes } from "./routes/residency.ts";
import { addRestoreRoutes } from "./routes/restores.ts";
import { addSignupRoutes } from "./routes/signups.ts";
import { addStatusRoutes } from "./routes/status.ts";
import { addTenantSignupRoute } from "./routes/tenant-signup.ts";
import { addTenantRoutes } from "./routes/tenants.ts";

const maximumBodyBytes = 64 * 1024;

/** The control plane's HTTP API: `/v1/…`, all of it for operators but its own description at `/v1/openapi.json`. */
export function createApi(dependencies: ApiDependencies): Api {
  const api: Api = new OpenAPIHono<ApiEnvironment>({ defaultHook: refuseInvalid });
  api.use(async (context, next) => {
    await next();
    context.header("cache-control", "no-store");
    context.header("x-content-type-options", "nosniff");
  });
  addDescription(api, dependencies.version);
  api.use("/v1/*", requireOperator(dependencies.operators));
  const limit = bodyLimit({
    maxSize: maximumBodyBytes,
    onError: () => {
      throw fault("E_BODY_TOO_LARGE", "The body is larger than 64 kB.");
    },
  });
  api.use("/v1/*", (context, next) => (isArchive(context.req) ? next() : limit(context, next)));
  addTenantSignupRoute(api, dependencies);
  addTenantRoutes(api, dependencies);
  addClosingRoutes(api, dependencies);
  addMoveRoutes(api, dependencies);
  addBackupRoutes(api, dependencies);
  addRestoreRoutes(api, dependencies);
  addSignupRoutes(api, dependencies);
  addStatusRoutes(api, dependencies);
  addRegionRoutes(api, dependencies);
  addRecoveryRoutes(api, dependencies);
  addDatabaseRoutes(api, dependencies);
  addMigrationRoutes(api, dependencies);
  addMailRoutes(api, dependencies);
  addResidencyRoutes(api, dependencies);
  addErrorAnswers(api, dependencies);
  return api;
}

/** An archive is of any length, and never held as a whole. */
function isArchive({ method, path }: { readonly method: string; readonly path: string }): boolean {
  return method === "PUT" && /^\/v1\/tenants\/[^/]+\/import$/.test(path);
}

function addDescription(api: Api, version: string): void {
  api.openAPIRegistry.registerComponent("securitySchemes", "operator", { type: "http", scheme: "bearer" });
  api.doc31("/v1/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Rowhouse", version, description: "The control plane: tenants, sign-ups, status, mail." },
    security: [{ operator: [] }],
  });
}

function addErrorAnswers(api: Api, { onFault }: ApiDependencies): void {
  const answer = (error: RowhouseError, headers: Headers) => {
    headers.set("content-type", problemContentType);
    return new Response(JSON.stringify(problemDocument(error)), { status: error.status, headers });
  };
  api.notFound((context) => {
    return answer(
      fault("E_NOT_FOUND", `There is no ${context.req.method} ${context.req.path}.`),
      context.res.headers,
    );
  });
  api.onError((thrown, context) => {
    const error = explain(thrown);
    if (error.status >= 500) onFault?.(thrown);
    // The cause of an unforeseen fault is for operators' eyes; before the token was checked it is for nobody's.
    return answer(context.get("operator") === undefined ? publicError(error) : error, context.res.headers);
  });
}

/** Faults of the request that Hono itself found: a body that is no JSON, or of another type. */
function explain(thrown: unknown): RowhouseError {
  if (!(thrown instanceof HTTPException)) return toRowhouseError(thrown);
  return thrown.status === 415
    ? fault("E_ARGUMENT", "The body must be JSON, with the header `content-type: application/json`.")
    : fault("E_ARGUMENT", `${thrown.message}.`);
}
