import { once } from "node:events";
import { type ServerType, serve } from "@hono/node-server";
import { createApi } from "../../api/app.ts";
import { createPageSignups } from "../../api/page-signups.ts";
import { createPages } from "../../api/pages.ts";
import type { StatusDocument } from "../../control/status.ts";
import { toRowhouseError } from "../../core/error.ts";
import { createSystemClock, createSystemRandom } from "../../embedded/clock.ts";
import { createDnsServer } from "../../embedded/dns.ts";
import { createEdge } from "../../embedded/edge.ts";
import { planListeners } from "../../embedded/listeners.ts";
import { loopbackOf, regionSettings, type Settings } from "../../embedded/settings.ts";
import { DirectoryCopy } from "../../instance/directory-copy.ts";
import type { LogEntry } from "../log-line.ts";
import type { OpenDirectory } from "./directory.ts";
import type { SupervisedRegion } from "./regions.ts";

export interface EntrancesOptions {
  readonly settings: Settings;
  readonly internalToken: string;
  readonly directory: OpenDirectory;
  readonly regions: readonly SupervisedRegion[];
  readonly status: () => Promise<StatusDocument>;
  readonly log: (entry: LogEntry) => void;
}

/** Everything that strangers and operators reach: the edge with the sign-up page, the control API, and DNS. */
export async function startEntrances(options: EntrancesOptions): Promise<{ close(): Promise<void> }> {
  const { settings, directory, status } = options;
  const plan = planListeners(settings.basePort);
  const clock = createSystemClock();
  const regions = new Map(options.regions.map((region) => [region.name, region.control]));
  const copy = new DirectoryCopy({
    regionPool: directory.pool,
    regionConnection: directory.connection,
    clock,
    onChange: () => {},
  });
  await copy.start();
  const onFault = (error: unknown) =>
    options.log({ level: "error", message: toRowhouseError(error).message });
  const api = createApi({
    version: settings.version,
    config: settings.config,
    directory: directory.directory,
    idempotencyKeys: directory.idempotencyKeys,
    regions,
    operators: directory.operators,
    clock,
    status,
    urls: { tenant: (slug) => tenantUrl(settings, slug) },
    onFault,
  });
  const pages = createPages({
    signups: createPageSignups({
      config: settings.config,
      regions,
      idempotencyKeys: directory.idempotencyKeys,
      tenantUrl: (slug) => tenantUrl(settings, slug),
    }),
    onFault,
  });
  const edge = createEdge({
    host: settings.host,
    port: plan.edge,
    domains: [settings.config.domain, "localhost"],
    lookupRegion: async (slug) => {
      const entry = await copy.lookup(slug);
      // The balancer's answer would tell that someone is just signing up.
      if (!entry || entry.state === "provisioning" || entry.state === "failed") return undefined;
      return { region: entry.region, balancerUrl: balancerUrl(settings, entry.region) };
    },
    // With its environment, which says from where a sign-up comes.
    apex: pages.fetch,
    internalToken: options.internalToken,
    clock,
    random: createSystemRandom(),
  });
  await edge.listen();
  const dns = createDnsServer({
    connection: directory.connection,
    zone: settings.config.domain,
    host: settings.host,
    port: plan.dns,
    clock,
    onFault,
  });
  await dns.listen();
  const server = serve({ fetch: api.fetch, hostname: settings.host, port: plan.api });
  if (!server.listening) await once(server, "listening");
  return {
    close: async () => {
      await Promise.all([edge.close(1000), dns.close(), closeServer(server)]);
      copy.stop();
    },
  };
}

/** The address of a tenant as browsers of this machine reach it. */
function tenantUrl(settings: Settings, slug: string): string {
  return `http://${slug}.localhost:${settings.basePort}/`;
}

function balancerUrl(settings: Settings, region: string): string {
  return `http://${loopbackOf(settings.host)}:${regionSettings(settings, region).listeners.balancer}`;
}

/** Open streams of events would keep the server for ever. */
async function closeServer(server: ServerType): Promise<void> {
  const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
  if ("closeAllConnections" in server) server.closeAllConnections();
  await closed;
}
