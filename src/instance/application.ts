import type { IncomingMessage, ServerResponse } from "node:http";
import { fault } from "../core/error.ts";
import { callerFolder } from "./caller-folder.ts";
import type { Tenant } from "./tenant.ts";

/** A fetch-style handler: a Request comes in, a Response goes out. */
export type FetchHandler = (request: Request, tenant: Tenant) => Response | Promise<Response>;

/** A `node:http` handler: Express, Koa and Next speak this. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse, tenant: Tenant) => unknown;

/** What a job is told of the run that it is. */
export interface JobRun {
  /** The job's name in the application. */
  readonly name: string;
  /** The same for every attempt at this run. */
  readonly id: string;
  /** When the run was due. */
  readonly scheduledFor: Date;
  /** 1 at the first attempt. */
  readonly attempt: number;
  /** Aborted when the worker is about to be taken away. */
  readonly signal: AbortSignal;
}

/** A job that runs for every tenant on its own schedule. */
export interface JobDefinition {
  /** As in `daily 03:00`, in the tenant's time zone. */
  readonly schedule: string;
  readonly run: (tenant: Tenant, job: JobRun) => unknown;
}

/** What an application may say of itself besides its handler. */
export interface ApplicationOptions {
  /** 1 to 39 lower-case letters, digits and hyphens, a letter first. */
  readonly name: string;
  /** Folder of numbered SQL files, relative to the application's module. */
  readonly migrations?: string;
  /** Folder of files for the CDN, relative to the application's module. */
  readonly assets?: string;
  readonly jobs?: Readonly<Record<string, JobDefinition>>;
  /** Runs once for a new tenant, after its first migration. */
  readonly seed?: (tenant: Tenant) => unknown;
}

/** What a developer writes: exactly one of the two handlers. */
export type ApplicationDefinition = ApplicationOptions &
  (
    | { readonly fetch: FetchHandler; readonly node?: undefined }
    | { readonly node: NodeHandler; readonly fetch?: undefined }
  );

/** How a request reaches the application. */
export type ApplicationHandler =
  | { readonly style: "fetch"; readonly fetch: FetchHandler }
  | { readonly style: "node"; readonly node: NodeHandler };

/** A checked application, as an instance runs it. */
export interface Application {
  readonly name: string;
  readonly handler: ApplicationHandler;
  readonly migrations: string | null;
  readonly assets: string | null;
  readonly jobs: Readonly<Record<string, JobDefinition>>;
  readonly seed: ((tenant: Tenant) => unknown) | null;
  /** Of the module that declared it, which `migrations` and `assets` are relative to; `null` when it can't be told. */
  readonly folder: string | null;
}

/** Marks an application whichever copy of this module made it. */
const brand = Symbol.for("rowhouse.application");

/**
 * Declares the application; its module exports the result as default.
 * @throws E_APP_INVALID
 */
export function defineApp(definition: ApplicationDefinition): Application {
  const problems = problemsOf(definition);
  if (problems.length > 0) throw fault("E_APP_INVALID", `defineApp was given ${problems.join("; ")}.`);
  const { name, fetch, node, migrations, assets, jobs, seed } = definition;
  return Object.freeze({
    [brand]: true,
    name,
    handler: Object.freeze(fetch ? { style: "fetch", fetch } : { style: "node", node }) as ApplicationHandler,
    migrations: migrations ?? null,
    assets: assets ?? null,
    jobs: Object.freeze({ ...jobs }),
    seed: seed ?? null,
    folder: callerFolder(),
  });
}

/**
 * The application in a module's default export.
 * @throws E_APP_INVALID when it is not what `defineApp` returned
 */
export function readApplication(module: unknown): Application {
  const exported = (module as { default?: unknown } | null)?.default;
  if (typeof exported === "object" && exported !== null && brand in exported)
    return exported as unknown as Application;
  throw fault("E_APP_INVALID");
}

const allowedKeys = ["name", "fetch", "node", "migrations", "assets", "jobs", "seed"];

function problemsOf(definition: unknown): string[] {
  if (typeof definition !== "object" || definition === null) return ["no object"];
  const { name, fetch, node, migrations, assets, jobs, seed } = definition as Record<string, unknown>;
  const problems: string[] = [];
  if (typeof name !== "string" || !/^[a-z][a-z0-9-]{0,38}$/.test(name)) {
    problems.push("no `name` of lower-case letters, digits and hyphens");
  }
  if ((fetch === undefined) === (node === undefined)) problems.push("not exactly one of `fetch` and `node`");
  for (const [key, value] of Object.entries({ fetch, node, seed })) {
    if (value !== undefined && typeof value !== "function") problems.push(`a \`${key}\` that is no function`);
  }
  for (const [key, value] of Object.entries({ migrations, assets })) {
    if (value !== undefined && (typeof value !== "string" || value === ""))
      problems.push(`a \`${key}\` that is no path`);
  }
  for (const key of Object.keys(definition)) {
    if (!allowedKeys.includes(key)) problems.push(`the unknown key \`${key}\``);
  }
  return [...problems, ...jobProblems(jobs)];
}

function jobProblems(jobs: unknown): string[] {
  if (jobs === undefined) return [];
  if (typeof jobs !== "object" || jobs === null || Array.isArray(jobs)) return ["`jobs` that are no object"];
  return Object.entries(jobs).flatMap(([name, job]: [string, Partial<JobDefinition> | null]) => {
    const fits = typeof job?.schedule === "string" && job.schedule !== "" && typeof job.run === "function";
    return fits ? [] : [`a job \`${name}\` without a \`schedule\` and a \`run\` function`];
  });
}
