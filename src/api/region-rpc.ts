import { timingSafeEqual } from "node:crypto";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { Hono } from "hono";
import { Agent, fetch, type RequestInit, type Response } from "undici";
import type { BackupStreams } from "../control/backup/control.ts";
import type { RestorationStatus } from "../control/backup/restoration.ts";
import type { RegionControl } from "../control/region-control.ts";
import { fault, fromErrorJson, toRowhouseError } from "../core/error.ts";
import { addBackupStreams, exportPath, importPath } from "./backup-streams.ts";

/** A method that takes a stream has a route of its own. */
type Method = Exclude<keyof RegionControl, "receiveFile" | keyof BackupStreams>;

/** A release on its way to a region. */
export interface ReleasePackage {
  readonly version: string;
  /** Hex, over the zip's bytes. */
  readonly sha256: string;
  readonly zip: Uint8Array;
}

/** Where a controller listens, and what it must be shown. */
export interface RegionAddress {
  readonly url: string;
  readonly internalToken: string;
}

/** Every method of {@link RegionControl}; the type makes a new one be named here. */
const methods: Readonly<Record<Method, true>> = {
  startSignup: true,
  signup: true,
  waitForSignup: true,
  profile: true,
  profiles: true,
  operation: true,
  suspend: true,
  resume: true,
  close: true,
  certificate: true,
  leftovers: true,
  backUp: true,
  backups: true,
  startRestore: true,
  waitForRestore: true,
  prepareResidencyCheck: true,
  plantCanaries: true,
  searchCanaries: true,
  removeCanaries: true,
  startMove: true,
  move: true,
  waitForMove: true,
  audit: true,
  prepareArrival: true,
  removeArrivedFiles: true,
  completeArrival: true,
  revertArrival: true,
  welcomeArrival: true,
  endArrival: true,
  abandonArrival: true,
  takeOver: true,
  keepAddresses: true,
  dropEmptyServers: true,
  migrate: true,
  schemaTarget: true,
  databases: true,
  failOverDatabase: true,
  outbox: true,
  status: true,
};

/** The controller's side: `POST /rpc/<method>` with JSON, for the control plane's own processes only. */
export function createRegionServer(parts: {
  readonly control: RegionControl;
  readonly installRelease: (release: ReleasePackage) => Promise<void>;
  readonly internalToken: string;
  /** Told of what went wrong here, before whoever asked is. */
  readonly onFault: (error: unknown) => void;
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
  app.put("/releases/:version/:sha256", async (context) => {
    const { version, sha256 } = context.req.param();
    await parts.installRelease({ version, sha256, zip: new Uint8Array(await context.req.arrayBuffer()) });
    return context.json({ result: null });
  });
  app.put("/files/:slug", async (context) => {
    const { key = "", type = "" } = context.req.query();
    const { body: bytes } = context.req.raw;
    const body = bytes ? Readable.fromWeb(bytes as NodeReadableStream) : Readable.from([]);
    await parts.control.receiveFile({ slug: context.req.param("slug"), key, contentType: type, body });
    return context.json({ result: null });
  });
  addBackupStreams(app, parts.control);
  app.onError((thrown, context) => {
    const error = toRowhouseError(thrown);
    if (error.status >= 500) parts.onFault(thrown);
    return context.json({ error: error.toJSON() }, error.status as 500);
  });
  return app;
}

/** The control plane's side of the same: a region as an object, wherever its controller runs. */
export function createRegionClient(address: RegionAddress): RegionControl {
  const call =
    (method: string) =>
    (argument: unknown = {}) =>
      send(address, `/rpc/${method}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(argument),
      });
  const calls = Object.fromEntries(Object.keys(methods).map((method) => [method, call(method)]));
  const receiveFile: RegionControl["receiveFile"] = async ({ slug, key, contentType, body }) => {
    const query = new URLSearchParams({ key, type: contentType });
    await send(address, `/files/${slug}?${query}`, { method: "PUT", body, duplex: "half" });
  };
  return { ...calls, receiveFile, ...backupStreams(address) } as unknown as RegionControl;
}

function backupStreams(address: RegionAddress): BackupStreams {
  return {
    async exportArchive({ slug }) {
      const response = await ask(address, exportPath(slug), { method: "GET" });
      if (!response.ok || !response.body) return (await resultOf(response)) as never;
      return Readable.fromWeb(response.body as NodeReadableStream);
    },
    importArchive: async (command, body) =>
      (await send(address, importPath(command), {
        method: "PUT",
        body,
        duplex: "half",
      })) as RestorationStatus,
  };
}

/** Ships a release to a region. @throws E_RELEASE_CORRUPT, E_REGION_UNAVAILABLE */
export async function shipRelease(address: RegionAddress, release: ReleasePackage): Promise<void> {
  await send(address, `/releases/${release.version}/${release.sha256}`, {
    method: "PUT",
    body: Buffer.from(release.zip),
  });
}

/** A wave of migrations, or the end of a tenant, may take minutes before the first header comes. */
const patientAgent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: 5000 } });

async function send(address: RegionAddress, path: string, init: RequestInit): Promise<unknown> {
  return resultOf(await ask(address, path, init));
}

function ask(address: RegionAddress, path: string, init: RequestInit): Promise<Response> {
  const headers = {
    ...(init.headers as Record<string, string>),
    authorization: `Bearer ${address.internalToken}`,
  };
  return fetch(`${address.url}${path}`, { ...init, headers, dispatcher: patientAgent }).catch(unavailable);
}

async function resultOf(response: Response): Promise<unknown> {
  const body = (await response.json().catch(unavailable)) as {
    result?: unknown;
    error?: { code?: unknown; message?: unknown };
  };
  if (body.error) throw fromErrorJson(body.error);
  return body.result ?? undefined;
}

/** The controller is away, or was killed in the middle of its answer. */
function unavailable(cause: unknown): never {
  throw fault("E_REGION_UNAVAILABLE", undefined, { cause });
}

function isEqual(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
