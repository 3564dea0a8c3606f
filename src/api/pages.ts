import { getConnInfo } from "@hono/node-server/conninfo";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { RegionControl, SignupInput, SignupStatus } from "../control/region-control.ts";
import { fault, type RowhouseError } from "../core/error.ts";
import { publicError } from "../core/problem.ts";
import { reservedSlugs, slugPattern } from "../core/tenant/slug.ts";
import { PageFiles } from "./page-files.ts";
import { signupBody } from "./schema/signup.ts";
import { streamSignup } from "./signup-events.ts";
import { SignupLimit } from "./signup-limit.ts";
import { answerSignupProblem } from "./signup-problem.ts";

/** What someone can choose from. */
export interface SignupOptions {
  readonly domain: string;
  readonly regions: readonly { readonly name: string; readonly jurisdiction: string }[];
  readonly plans: readonly { readonly name: string; readonly isolation: "schema" | "database" | "server" }[];
  /** A tenant's address with `{slug}` in the slug's place, as in `https://{slug}.bookshop.example/`. */
  readonly tenantUrlPattern: string;
}

/** What the sign-up page works with. */
export interface PagesDependencies {
  readonly signups: {
    options(): SignupOptions | Promise<SignupOptions>;
    /** Returns when the slug is reserved; the same key with the same input signs up once. */
    start(input: SignupInput, idempotencyKey?: string): Promise<SignupStatus>;
    /** `undefined` when there is no such sign-up. */
    status(id: string): Promise<SignupStatus | undefined>;
    wait(id: string, seen: number, timeoutSeconds: number): ReturnType<RegionControl["waitForSignup"]>;
  };
  /** Of a monotonic clock; default is the machine's. */
  readonly elapsedMilliseconds?: () => number;
  /** Told of every fault that is Rowhouse's own, for the log. */
  readonly onFault?: (error: unknown) => void;
}

const maximumBodyBytes = 16 * 1024;

/** The sign-up page at `/`, and what it asks for under `/signup`. */
export function createPages({ signups, elapsedMilliseconds, onFault }: PagesDependencies): Hono {
  const files = new PageFiles();
  const limit = new SignupLimit(elapsedMilliseconds ?? (() => performance.now()));
  const pages = new Hono();
  pages.get("/", (context) => files.page(context));
  pages.get("/signup/assets/:file", (context) => {
    const asset = files.asset(context, context.req.param("file"));
    if (!asset) throw notFound(context);
    return asset;
  });
  pages.get("/console", () => {
    throw fault("E_NOT_FOUND", "The operators' console is not part of this version yet.", {
      remedy: "`rowhouse status`, `rowhouse tenant list` and the control API show what it will.",
    });
  });
  pages.use("/signup/*", forbidStoring);
  pages.use("/signup", forbidStoring, limitBody());
  pages.get("/signup/options", async (context) => {
    const slug = { pattern: slugPattern.source, reserved: [...reservedSlugs] };
    return context.json({ ...(await signups.options()), slug });
  });
  pages.post("/signup", async (context) => {
    const input = await readInput(context);
    limit.take(clientAddress(context));
    const { id } = await signups.start(input, readIdempotencyKey(context));
    return context.json({ id }, 202, { location: `/signup/${id}` });
  });
  pages.get("/signup/:id", async (context) =>
    context.json(await findSignup(signups, context.req.param("id"))),
  );
  pages.get("/signup/:id/events", async (context) => {
    const status = await findSignup(signups, context.req.param("id"));
    const waitForSignup: RegionControl["waitForSignup"] = ({ id, seen, timeoutSeconds }) =>
      signups.wait(id, seen, timeoutSeconds);
    return streamSignup(context, { waitForSignup }, status, { isPublic: true });
  });
  pages.notFound((context) => answerSignupProblem(notFound(context)));
  pages.onError((thrown) => {
    const error = publicError(thrown);
    if (error.status >= 500) onFault?.(thrown);
    return answerSignupProblem(error);
  });
  return pages;
}

/** What is said while signing up is for nobody's cache. */
async function forbidStoring(context: Context, next: () => Promise<void>): Promise<void> {
  await next();
  if (!context.res.headers.has("etag")) context.header("cache-control", "no-store");
  context.header("x-content-type-options", "nosniff");
}

function limitBody() {
  return bodyLimit({
    maxSize: maximumBodyBytes,
    onError: () => {
      throw fault("E_BODY_TOO_LARGE", "The body is larger than 16 kB.");
    },
  });
}

async function readInput(context: Context): Promise<SignupInput> {
  // A form of another site can send text but not this type, so none can sign anyone up.
  if (!/^application\/json\b/i.test(context.req.header("content-type") ?? "")) {
    throw fault("E_ARGUMENT", "The body must be JSON, with the header `content-type: application/json`.");
  }
  const body: unknown = await context.req.json().catch((cause: unknown) => {
    throw cause instanceof SyntaxError ? fault("E_ARGUMENT", "The body is not JSON.", { cause }) : cause;
  });
  const parsed = signupBody.safeParse(body);
  if (!parsed.success) throw fault("E_ARGUMENT", "Some of it is not right yet.", { cause: parsed.error });
  return parsed.data;
}

function readIdempotencyKey(context: Context): string | undefined {
  const key = context.req.header("idempotency-key");
  if (key === undefined || /^[\x21-\x7e]{1,255}$/.test(key)) return key;
  throw fault("E_ARGUMENT", "The Idempotency-Key must be 1 to 255 visible ASCII characters.");
}

async function findSignup(signups: PagesDependencies["signups"], id: string): Promise<SignupStatus> {
  const status = await signups.status(id);
  if (!status) throw fault("E_NOT_FOUND", `There is no sign-up ${JSON.stringify(id.slice(0, 100))}.`);
  return status;
}

/** Absent where no socket is behind the request, as in a test. */
function clientAddress(context: Context): string | undefined {
  return (context.env as { incoming?: unknown } | undefined)?.incoming
    ? getConnInfo(context).remote.address
    : undefined;
}

function notFound(context: Context): RowhouseError {
  return fault("E_NOT_FOUND", `There is no ${context.req.method} ${context.req.path}.`);
}
