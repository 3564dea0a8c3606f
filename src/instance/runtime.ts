import type { Config } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import type { DirectoryEntry } from "../core/tenant/tenant.ts";
import type { DatabaseEndpoint } from "../ports/databases.ts";
import type { DataPlatform } from "../ports/platform.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import type { Queryable } from "../postgres/pool.ts";
import { registerResolver, runAsTenant } from "./context.ts";
import { DirectoryCopy } from "./directory-copy.ts";
import { InFlight } from "./in-flight.ts";
import { MoveHold } from "./move-hold.ts";
import { ConnectionBudget } from "./pools/connection-budget.ts";
import type { LeaseTarget, Login } from "./pools/login.ts";
import type { Loads } from "./services/cache.ts";
import { createLog, type InstanceIdentity, type LogSink } from "./services/log.ts";
import type { Tenant, TenantLog } from "./tenant.ts";
import { TenantDetailsLoader } from "./tenant-details.ts";
import { createTenant, type LoadedTenant } from "./tenant-object.ts";

export interface TenantRuntimeOptions {
  readonly platform: DataPlatform;
  /** The region's control database, and how to reach it for LISTEN. */
  readonly regionPool: Queryable;
  readonly regionConnection: ConnectOptions;
  readonly config: Config;
  readonly identity: InstanceIdentity;
  /** Default: standard output. */
  readonly logSink?: LogSink;
}

/**
 * Tenants without HTTP: knows the directory, opens a tenant's data, and runs code as a tenant. An instance, a
 * worker and an application's own tests stand on it.
 */
export class TenantRuntime {
  readonly directory: DirectoryCopy;
  readonly connections: ConnectionBudget;
  readonly identity: InstanceIdentity;
  /** The instance's own log; a tenant has its own. */
  readonly log: TenantLog;
  /** Requests and jobs under way; a job counts as what writes. */
  readonly inFlight = { reads: new InFlight(), writes: new InFlight() };
  readonly #hold: MoveHold;
  readonly #options: TenantRuntimeOptions;
  readonly #details: TenantDetailsLoader;
  readonly #loaded = new Map<string, LoadedTenant>();
  readonly #loading = new Map<string, Promise<LoadedTenant>>();
  readonly #endpoints = new Map<string, Promise<DatabaseEndpoint>>();
  /** The newest answers of those. */
  readonly #known = new Map<string, DatabaseEndpoint>();
  readonly #cacheLoads: Loads = new Map();
  readonly #logSink: LogSink;
  readonly #unregister: () => void;

  /** Made by {@link createTenantRuntime}. */
  constructor(options: TenantRuntimeOptions) {
    const { platform, regionPool, regionConnection, identity, config } = options;
    const { clock, keys } = platform;
    this.#options = options;
    this.identity = identity;
    this.#logSink = options.logSink ?? ((line) => void process.stdout.write(line));
    this.log = createLog({ identity, clock, sink: this.#logSink });
    this.#details = new TenantDetailsLoader({ regionPool, keys });
    this.directory = new DirectoryCopy({
      regionPool,
      // By this name the control plane knows that the instance is there, and waits for it when a tenant moves.
      regionConnection: { ...regionConnection, applicationName: `rowhouse-directory ${identity.instanceId}` },
      clock,
      onChange: (slug) => this.#onChange(slug),
    });
    this.connections = new ConnectionBudget({
      connections: config.connectionsPerInstance,
      endpoint: (server, { fresh }) => this.#endpoint(server, fresh),
      clock,
      applicationName: `rowhouse ${identity.instanceId}`,
    });
    this.#hold = new MoveHold({
      regionPool,
      instanceId: identity.instanceId,
      clock,
      inFlight: this.inFlight,
      find: (slug) => this.directory.find(slug),
      leases: (slug) => this.connections.demand.of(slug),
    });
    this.#unregister = registerResolver(this.resolve);
  }

  /** The tenant that memory holds ready. */
  ready(entry: DirectoryEntry): Tenant | undefined {
    return this.#loaded.get(entry.slug)?.tenant;
  }

  /**
   * Everything that is the tenant's; whoever asks sees to its state. Of another region nothing is opened.
   * @throws E_WRONG_REGION, E_TENANT_UNAVAILABLE, E_REGION_UNAVAILABLE, E_DECRYPT
   */
  async open(entry: DirectoryEntry): Promise<Tenant> {
    return (await this.#openLoaded(entry)).tenant;
  }

  async #openLoaded(entry: DirectoryEntry): Promise<LoadedTenant> {
    if (entry.region !== this.identity.region) throw fault("E_WRONG_REGION");
    const { slug } = entry;
    const known = this.#loaded.get(slug);
    if (known) return known;
    let loading = this.#loading.get(slug);
    if (!loading) {
      loading = this.#load(entry);
      this.#loading.set(slug, loading);
      this.#keep(slug, loading);
    }
    return loading;
  }

  /** Where the tenant's next query goes: to its place as it is known now, once it moves no more. */
  #target(entry: DirectoryEntry, role: Login["role"]): LeaseTarget | Promise<LeaseTarget> {
    const { slug } = entry;
    const gate = this.#hold.gate(slug);
    if (gate) return gate.then(() => this.#target(entry, role));
    const loaded = this.#loaded.get(slug);
    if (loaded) return loaded.targets[role];
    return this.#openLoaded(this.directory.find(slug) ?? entry).then(({ targets }) => targets[role]);
  }

  /**
   * The tenant with this slug, when it may be worked for.
   * @throws E_TENANT_NOT_FOUND, E_TENANT_SUSPENDED, E_TENANT_CLOSED, E_TENANT_UNAVAILABLE, E_WRONG_REGION
   */
  readonly resolve = async (slug: string): Promise<Tenant> => {
    const entry = await this.directory.lookup(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND");
    if (entry.region !== this.identity.region) throw fault("E_WRONG_REGION");
    if (entry.state === "suspended") throw fault("E_TENANT_SUSPENDED");
    if (entry.state === "closing" || entry.state === "closed") throw fault("E_TENANT_CLOSED");
    if (entry.state !== "active") throw fault("E_TENANT_UNAVAILABLE");
    return this.open(entry);
  };

  /** Runs `work` as the tenant; {@link resolve} says when it refuses. */
  async run<T>(slug: string, work: (tenant: Tenant) => T | Promise<T>): Promise<T> {
    const tenant = await this.resolve(slug);
    const end = this.inFlight.writes.begin(slug);
    try {
      return await this.runAs(tenant, () => work(tenant));
    } finally {
      end();
    }
  }

  /** The same for a tenant of this region in any state: one that is being made has to be filled. */
  async runInAnyState<T>(slug: string, work: (tenant: Tenant) => T | Promise<T>): Promise<T> {
    const entry = await this.directory.lookup(slug);
    if (!entry) throw fault("E_TENANT_NOT_FOUND");
    const tenant = await this.open(entry);
    return this.runAs(tenant, () => work(tenant));
  }

  /** Runs `work` with the tenant as the current one. */
  runAs<T>(tenant: Tenant, work: () => T): T {
    return runAsTenant(tenant, this.resolve, work);
  }

  /** Ends all connections; what still runs fails. */
  async stop(): Promise<void> {
    this.#unregister();
    this.directory.stop();
    await this.connections.end();
  }

  /** Remembers what was loaded, unless it changed meanwhile. */
  #keep(slug: string, loading: Promise<LoadedTenant>): void {
    const ifStillWanted = (act: () => void) => {
      if (this.#loading.get(slug) !== loading) return;
      this.#loading.delete(slug);
      act();
    };
    loading.then(
      (loaded) => ifStillWanted(() => this.#loaded.set(slug, loaded)),
      () => ifStillWanted(() => {}),
    );
  }

  async #load(entry: DirectoryEntry): Promise<LoadedTenant> {
    const { slug } = entry;
    const { platform, config, identity } = this.#options;
    const details = await this.#details.load(slug);
    const { server } = details.location;
    const first = await this.#endpoint(server, false);
    return createTenant({
      entry,
      details,
      endpoint: () => this.#known.get(server) ?? first,
      platform,
      config,
      connections: this.connections,
      cacheLoads: this.#cacheLoads,
      log: createLog({ identity, clock: platform.clock, sink: this.#logSink, tenant: slug }),
      target: (role) => this.#target(entry, role),
      reload: () => {
        this.#forget(slug);
        const loading = this.#load(entry);
        this.#loading.set(slug, loading);
        this.#keep(slug, loading);
        return loading;
      },
    });
  }

  #onChange(slug: string): void {
    this.#hold.follow(slug);
    // What is under way is served from here until it has ended; new requests wait.
    if (this.directory.find(slug)?.state !== "moving") this.#forget(slug);
  }

  /** The next request loads anew; connections of a tenant that no longer takes any are closed. */
  #forget(slug: string): void {
    const loaded = this.#loaded.get(slug);
    this.#loading.delete(slug);
    if (!loaded) return;
    this.#loaded.delete(slug);
    if (this.directory.find(slug)?.state !== "active")
      for (const login of loaded.ownLogins) this.connections.drop(login);
  }

  #endpoint(server: string, fresh: boolean): Promise<DatabaseEndpoint> {
    const known = this.#endpoints.get(server);
    if (known && !fresh) return known;
    const asked = this.#options.platform.databases.endpoint(server);
    this.#endpoints.set(server, asked);
    asked.then(
      (endpoint) => this.#known.set(server, endpoint),
      () => {
        if (this.#endpoints.get(server) === asked) this.#endpoints.delete(server);
      },
    );
    return asked;
  }
}

/** Makes a runtime and fills its copy of the directory. */
export async function createTenantRuntime(options: TenantRuntimeOptions): Promise<TenantRuntime> {
  const runtime = new TenantRuntime(options);
  await runtime.directory.start();
  return runtime;
}
