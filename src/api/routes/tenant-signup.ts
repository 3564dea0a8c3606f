import { createRoute, z } from "@hono/zod-openapi";
import { followSignup } from "../../control/follow-signup.ts";
import type { RegionControl, SignupStatus } from "../../control/region-control.ts";
import { describeTenant } from "../../control/tenant-document.ts";
import { fault, fromErrorJson } from "../../core/error.ts";
import { admitSignup } from "../admit-signup.ts";
import type { Api, ApiDependencies } from "../dependencies.ts";
import { problemResponse } from "../schema/problem.ts";
import { acceptedSignupSchema, signupBody } from "../schema/signup.ts";
import { createdTenantSchema } from "../schema/tenant.ts";

const locationHeader = { headers: z.object({ location: z.string() }) };

const createTenant = createRoute({
  method: "post",
  path: "/v1/tenants",
  summary: "Sign a tenant up",
  description:
    "Answers as soon as the slug is reserved; with `wait=1`, when the tenant is there, or the sign-up has failed and " +
    "was taken back (202 after ten minutes without an end). The same Idempotency-Key with the same body signs up once.",
  request: {
    query: z.object({ wait: z.enum(["0", "1"], "must be 0 or 1").default("0") }),
    headers: z.object({
      "idempotency-key": z
        .string()
        .regex(/^[\x21-\x7e]{1,255}$/, "must be 1 to 255 visible ASCII characters")
        .optional(),
    }),
    body: { required: true, content: { "application/json": { schema: signupBody } } },
  },
  responses: {
    201: {
      description: "The tenant is there (`wait=1`)",
      content: { "application/json": { schema: createdTenantSchema } },
      ...locationHeader,
    },
    202: {
      description: "The sign-up runs",
      content: { "application/json": { schema: acceptedSignupSchema } },
      ...locationHeader,
    },
    ...problemResponse,
  },
});

const maximumWaitMilliseconds = 600_000;

/** `POST /v1/tenants` */
export function addTenantSignupRoute(api: Api, dependencies: ApiDependencies): void {
  api.openapi(createTenant, async (context) => {
    const startedAt = performance.now();
    const input = context.req.valid("json");
    const idempotencyKey = context.req.valid("header")["idempotency-key"];
    const region = admitSignup(input, dependencies);
    if (idempotencyKey !== undefined) await dependencies.idempotencyKeys.claim(idempotencyKey, input.region);
    let status = await region.startSignup({
      input,
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    });
    if (context.req.valid("query").wait === "1") {
      status = await waitForEnd(region, status, context.req.raw.signal);
    }
    if (status.state === "failed") throw fromErrorJson(status.error ?? fault("E_SIGNUP_FAILED").toJSON());
    if (status.state !== "completed" || context.req.valid("query").wait === "0") {
      const self = `/v1/signups/${status.id}`;
      const links = { self, events: `${self}/events`, tenant: `/v1/tenants/${status.slug}` };
      return context.json({ ...status, links }, 202, { location: self });
    }
    const entry = await dependencies.directory.find(status.slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `The tenant "${status.slug}" is gone again.`);
    const sources = { regions: dependencies.regions, tenantUrl: dependencies.urls.tenant };
    const tenant = await describeTenant(entry, sources, input.name);
    const durationMs = Math.round(performance.now() - startedAt);
    return context.json({ ...tenant, durationMs }, 201, { location: `/v1/tenants/${tenant.slug}` });
  });
}

async function waitForEnd(
  region: RegionControl,
  first: SignupStatus,
  client: AbortSignal,
): Promise<SignupStatus> {
  let last = first;
  const signal = AbortSignal.any([client, AbortSignal.timeout(maximumWaitMilliseconds)]);
  for await (const status of followSignup(region, first, signal, "end")) last = status;
  return last;
}
