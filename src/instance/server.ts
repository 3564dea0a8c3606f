import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { Config } from "../core/config/schema.ts";
import { fault, type RowhouseError } from "../core/error.ts";
import type { DataPlatform } from "../ports/platform.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import type { Queryable } from "../postgres/pool.ts";
import type { Application } from "./application.ts";
import { createApplicationListener } from "./application-listener.ts";
import { type AssetsHandler, type ObjectsHandler, RequestRouter } from "./request-router.ts";
import { errorMessage } from "./respond.ts";
import { createTenantRuntime, type TenantRuntime } from "./runtime.ts";
import type { InstanceIdentity, LogSink } from "./services/log.ts";

export type { AssetsHandler, ObjectsHandler } from "./request-router.ts";
export type { InstanceIdentity } from "./services/log.ts";

export interface StartInstance {
  readonly application: Application;
  readonly platform: DataPlatform;
  /** The region's control database. */
  readonly regionPool: Queryable;
  /** The same, for the connection that listens. */
  readonly regionConnection: ConnectOptions;
  readonly config: Config;
  readonly identity: InstanceIdentity;
  readonly listen: { readonly host: string; readonly port: number };
  /** What the platform's own processes show to each other. */
  readonly internalToken: string;
  readonly objectsHandler?: ObjectsHandler;
  readonly assets?: AssetsHandler;
  /** Where another region's balancer is reached from here, if it is. */
  readonly balancerUrl?: (region: string) => string | undefined;
  /** Default: standard output. */
  readonly logSink?: LogSink;
}

/** An instance that serves. */
export interface RunningInstance {
  /** `host:port`. */
  readonly address: string;
  readonly runtime: TenantRuntime;
  /** Runs the application's seed as the tenant, in whatever state it is. */
  seed(slug: string): Promise<void>;
  /** Takes no new connections, lets requests finish for `graceMilliseconds` (default 10,000), and closes everything. */
  stop(graceMilliseconds?: number): Promise<void>;
}

/** Node's own default, written down because the 431 promises it. */
const longestHeaderBytes = 16 * 1024;
const headersTimeoutMilliseconds = 10_000;
/** For the whole of a request, uploads included. */
const requestTimeoutMilliseconds = 300_000;
/** Longer than a balancer keeps an idle connection (60 s on an ALB), so that it is never us who close it under a request. */
const keepAliveTimeoutMilliseconds = 75_000;

/** Starts an instance: fills its directory, then listens. @throws E_PORT_IN_USE */
export async function startInstance(options: StartInstance): Promise<RunningInstance> {
  const { application, config, platform, internalToken, listen } = options;
  const runtime = await createTenantRuntime(options);
  let draining = false;
  const seed = async (slug: string) => {
    await runtime.runInAnyState(slug, async (tenant) => {
      await application.seed?.(tenant);
    });
  };
  const router = new RequestRouter({
    runtime,
    config,
    clock: platform.clock,
    listener: createApplicationListener(application),
    internal: { token: internalToken, seed, runAs: (slug, work) => runtime.runInAnyState(slug, work) },
    isHealthy: () => !draining,
    ...(options.objectsHandler && { objectsHandler: options.objectsHandler }),
    ...(options.assets && { assets: options.assets }),
    ...(options.balancerUrl && { balancerUrl: options.balancerUrl }),
  });
  const server = createServer(
    {
      maxHeaderSize: longestHeaderBytes,
      headersTimeout: headersTimeoutMilliseconds,
      requestTimeout: requestTimeoutMilliseconds,
      keepAliveTimeout: keepAliveTimeoutMilliseconds,
      connectionsCheckingInterval: 1_000,
      // Told by the router, in the platform's own words.
      requireHostHeader: false,
    },
    router.handle,
  );
  server.on("clientError", answerClientError);
  try {
    await startListening(server, listen);
  } catch (error) {
    await runtime.stop();
    throw error;
  }
  const { address, port } = server.address() as AddressInfo;
  return {
    address: `${address}:${port}`,
    runtime,
    seed,
    async stop(graceMilliseconds = 10_000) {
      draining = true;
      await closeServer(server, graceMilliseconds);
      await runtime.stop();
    },
  };
}

async function startListening(
  server: Server,
  listen: { readonly host: string; readonly port: number },
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(listen.port, listen.host, resolve);
  }).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "EADDRINUSE") throw cause;
    throw fault("E_PORT_IN_USE", `The port ${listen.port} is taken by another program.`, { cause });
  });
}

async function closeServer(server: Server, graceMilliseconds: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const giveUp = setTimeout(() => server.closeAllConnections(), graceMilliseconds);
  await closed;
  clearTimeout(giveUp);
}

/** What never became a request, or did not become one in time. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, headers, body } = errorMessage(clientFault(error.code), undefined);
  const lines = Object.entries({
    ...headers,
    connection: "close",
    "content-length": String(Buffer.byteLength(body)),
  });
  const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.end(`HTTP/1.1 ${status} \r\n${head}\r\n${body}`, () => socket.destroy());
}

function clientFault(code: string | undefined): RowhouseError {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return fault("E_HEADERS_TOO_LARGE");
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return fault("E_REQUEST_TIMEOUT");
    default:
      return fault("E_ARGUMENT", "The request is not valid HTTP.", {
        remedy: "Send a request as RFC 9112 has it.",
      });
  }
}
