import { once } from "node:events";
import { type ServerType, serve } from "@hono/node-server";
import { createApi } from "../../api/app.ts";
import type { ApiDependencies } from "../../api/dependencies.ts";
import { createPageSignups } from "../../api/page-signups.ts";
import { createPages } from "../../api/pages.ts";
import { databaseControl } from "../../control/database/control.ts";
import type { Recoveries } from "../../control/recovery/recoveries.ts";
import type { RegionControl } from "../../control/region-control.ts";
import type { Regions } from "../../control/regions/regions.ts";
import type { StatusDocument } from "../../control/status.ts";
import { fault } from "../../core/error.ts";
import { faultEntry } from "../../core/fault-entry.ts";
import { createDnsServer } from "../../embedded/dns.ts";
import { createEdge } from "../../embedded/edge.ts";
import { planListeners } from "../../embedded/listeners.ts";
import { loopbackOf, regionSettings, type Settings } from "../../embedded/settings.ts";
import { DirectoryCopy } from "../../instance/directory-copy.ts";
import { createSystemClock, createSystemRandom } from "../../node/clock.ts";
import type { LogEntry } from "../log-line.ts";
import type { OpenDirectory } from "./directory.ts";
import type { LiveSettings } from "./live-settings.ts";

export interface EntrancesOptions {
  readonly settings: LiveSettings;
  readonly internalToken: string;
  readonly directory: OpenDirectory;
  /** Those that may be used, as they come and go. */
  readonly regions: ReadonlyMap<string, RegionControl>;
  /** Those that have failed over, as they come and go. */
  readonly fenced: ReadonlySet<string>;
  readonly regionStacks: Regions;
  readonly recoveries: Recoveries;
  readonly checkResidency: ApiDependencies["checkResidency"];
  readonly status: () => Promise<StatusDocument>;
  readonly log: (entry: LogEntry) => void;
}

/** Everything that strangers and operators reach: the edge with the sign-up page, the control API, and DNS. */
export async function startEntrances(options: EntrancesOptions): Promise<{ close(): Promise<void> }> {
  const { settings: live, directory, regions, regionStacks, status } = options;
  const settings = live.current;
  const plan = planListeners(settings.basePort);
  const clock = createSystemClock();
  const copy = new DirectoryCopy({
    regionPool: directory.pool,
    regionConnection: directory.connection,
    clock,
    onChange: () => {},
  });
  await copy.start();
  const onFault = (error: unknown) => options.log(faultEntry(error));
  const api = createApi({
    version: settings.version,
    get config() {
      return live.current.config;
    },
    directory: directory.directory,
    idempotencyKeys: directory.idempotencyKeys,
    directoryDatabases: databaseControl({ databases: directory.databases, clock }),
    regions,
    regionStacks,
    fenced: options.fenced,
    recoveries: options.recoveries,
    operators: directory.operators,
    checkResidency: options.checkResidency,
    clock,
    status,
    urls: { tenant: (slug) => tenantUrl(settings, slug) },
    onFault,
  });
  const pages = createPages({
    signups: createPageSignups({
      get config() {
        return live.current.config;
      },
      regions,
      fenced: options.fenced,
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
      // Its region may be gone with all that could say so.
      if (entry.state === "closed" && !regions.has(entry.region)) throw fault("E_TENANT_CLOSED");
      return { region: entry.region, balancerUrl: balancerUrl(live.current, entry.region) };
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
  const server = serve({
    fetch: api.fetch,
    hostname: settings.host,
    port: plan.api,
    // An archive may come in for hours.
    serverOptions: { requestTimeout: 0 },
  });
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
