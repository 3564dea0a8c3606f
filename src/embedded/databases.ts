import { fault, toRowhouseError } from "../core/error.ts";
import type { DatabaseServerStatus, Databases } from "../ports/databases.ts";
import type { Keys } from "../ports/keys.ts";
import { generatePassword } from "../postgres/scram.ts";
import type { PortRange } from "./listeners.ts";
import { DatabaseAddresses } from "./postgres/addresses.ts";
import { findPostgres } from "./postgres/binaries.ts";
import { FolderClaim } from "./postgres/folder-claim.ts";
import { PostgresServer, type ServerEnvironment } from "./postgres/server.ts";
import {
  passwordContext,
  readServer,
  readServers,
  removeServer,
  type ServerState,
  serverFolder,
  serverNames,
  writeServer,
} from "./postgres/server-state.ts";

type CreateServer = Parameters<Databases["create"]>[0];

/** Real Postgres on this machine: a primary and a synchronous standby per server. */
export interface EmbeddedDatabases extends Databases {
  /** Looks after all servers from now on, and those made later: one process does so for each folder. */
  watch(): void;
  /** Ends the watch and all connections of this object; the servers run on. */
  stopWatching(): Promise<void>;
  /** Shuts one server down in order; it starts again at the next `create` or `watch`. */
  stopServer(name: string): Promise<void>;
  /** Shuts all servers down in order. */
  stopAll(): Promise<void>;
}

export type DatabasesOptions = Omit<ServerEnvironment, "binaries"> & {
  /** Where servers' ports are taken from, by their size. */
  readonly ports: { readonly shared: PortRange; readonly dedicated: PortRange };
};

/** For whoever only connects: reads state files, starts and watches nothing. */
export function openDatabases(options: {
  readonly folder: string;
  readonly keys: Keys;
  /** Default 127.0.0.1. */
  readonly host?: string;
}): Pick<Databases, "endpoint" | "administrator"> {
  return new DatabaseAddresses({ host: "127.0.0.1", ...options });
}

export async function createDatabases(options: DatabasesOptions): Promise<EmbeddedDatabases> {
  return new PostgresDatabases({ ...options, binaries: await findPostgres() });
}

/** The death of a primary is noticed within so long. */
const watchPauseMilliseconds = 50;
/** A process that ends gives its servers up within so long. */
const claimMilliseconds = 10_000;

class PostgresDatabases extends DatabaseAddresses implements EmbeddedDatabases {
  readonly #options: DatabasesOptions & ServerEnvironment;
  /** Those that this object looks after. They trust what they remember over the files, so one process alone may. */
  readonly #servers = new Map<string, PostgresServer>();
  /** Those that it only describes. */
  readonly #viewed = new Map<string, PostgresServer>();
  readonly #followed = new Map<PostgresServer, Promise<void>>();
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #claim: FolderClaim;
  #watching: AbortController | undefined;
  /** Works on servers that it does not watch. */
  #works = 0;

  constructor(options: DatabasesOptions & ServerEnvironment) {
    super(options);
    this.#options = options;
    this.#claim = new FolderClaim(options.folder, options.clock);
  }

  async create(server: CreateServer): Promise<void> {
    const { folder } = this.#options;
    serverFolder(folder, server.name);
    await this.#change(server.name, async () => {
      const found = await readServer(folder, server.name);
      if (found?.phase === "deleting") await this.#open(found).destroy();
      const state = found && found.phase !== "deleting" ? found : await this.#register(server);
      const opened = this.#open(state);
      try {
        if (state.phase === "creating") await opened.make();
        else await opened.comeUp({ inSync: false });
      } finally {
        await this.#followOrClose(state.name, opened);
      }
    });
  }

  async describe(name: string): Promise<DatabaseServerStatus | undefined> {
    const state = await readServer(this.#options.folder, name);
    return state && this.#view(state).describe(state);
  }

  async list(): Promise<readonly DatabaseServerStatus[]> {
    const states = await readServers(this.#options.folder);
    return Promise.all(states.map((state) => this.#view(state).describe(state)));
  }

  async failOver(name: string): Promise<void> {
    await this.#change(name, async () => {
      const state = await readServer(this.#options.folder, name);
      if (state?.phase !== "ready") throw fault("E_NOT_FOUND", `There is no database server "${name}".`);
      const server = this.#open(state);
      try {
        await server.failOver();
        // Nobody else would start the old primary as the standby.
        if (!this.#watching) await server.comeUp({ inSync: true });
      } finally {
        await this.#followOrClose(name, server);
      }
    });
  }

  async delete(name: string): Promise<void> {
    await this.#change(name, async () => {
      const state = await readServer(this.#options.folder, name);
      if (!state) return removeServer(this.#options.folder, name);
      await this.#viewed.get(name)?.close();
      this.#viewed.delete(name);
      const server = this.#open(state);
      this.#servers.delete(name);
      await server.destroy();
    });
  }

  watch(): void {
    if (this.#watching) return;
    this.#watching = new AbortController();
    const { signal } = this.#watching;
    this.#takeOver(signal).catch((error: unknown) => {
      if (signal.aborted) return;
      this.#options.log(`no database server can be taken over: ${toRowhouseError(error).message}`);
    });
  }

  async stopWatching(): Promise<void> {
    this.#watching?.abort();
    this.#watching = undefined;
    const servers = [...this.#servers.values(), ...this.#viewed.values()];
    this.#servers.clear();
    this.#viewed.clear();
    await Promise.all(servers.map((server) => server.close()));
    await Promise.allSettled(this.#followed.values());
    await this.#letGo();
  }

  async stopServer(name: string): Promise<void> {
    await this.#change(name, async () => {
      const state = await readServer(this.#options.folder, name);
      if (!state) throw fault("E_NOT_FOUND", `There is no database server "${name}".`);
      await this.#open(state).stop();
      this.#servers.delete(name);
    });
  }

  async stopAll(): Promise<void> {
    await this.stopWatching();
    const states = await readServers(this.#options.folder);
    await Promise.all(states.map((state) => this.stopServer(state.name)));
  }

  /** Looks after what is whole, and finishes deletions. What was half made waits for its `create` to be repeated. */
  async #takeOver(signal: AbortSignal): Promise<void> {
    const { folder, log } = this.#options;
    await this.#claim.take({ timeoutMilliseconds: Number.POSITIVE_INFINITY, signal });
    for (const name of await serverNames(folder)) {
      try {
        const state = await readServer(folder, name);
        if (signal.aborted) return;
        if (state?.phase === "ready") this.#follow(name, this.#open(state));
        if (state?.phase === "deleting") await this.delete(name);
      } catch (error) {
        log(`database server ${name} can't be taken over: ${toRowhouseError(error).message}`);
      }
    }
  }

  #follow(name: string, server: PostgresServer): void {
    const signal = this.#watching?.signal;
    if (!signal || signal.aborted || this.#followed.has(server)) return;
    const following = this.#keepTicking(name, server, signal).finally(() => this.#followed.delete(server));
    this.#followed.set(server, following);
  }

  async #keepTicking(name: string, server: PostgresServer, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let lastProblem = "";
    while (!signal.aborted && this.#servers.get(name) === server) {
      const problem = await server.tick().then(
        () => "",
        (error: unknown) => toRowhouseError(error).message,
      );
      if (problem && problem !== lastProblem) log(`database server ${name}: ${problem}`);
      lastProblem = problem;
      await clock.sleep(watchPauseMilliseconds, signal).catch(() => {});
    }
  }

  /** What this object looks after it goes on with; without a watch it lets go, for whoever watches. */
  async #followOrClose(name: string, server: PostgresServer): Promise<void> {
    if (!server.isClosed) this.#follow(name, server);
    if (this.#followed.has(server)) return;
    this.#servers.delete(name);
    await server.close();
  }

  #open(state: ServerState): PostgresServer {
    return this.#find(state, this.#servers);
  }

  #view(state: ServerState): PostgresServer {
    const kept = this.#servers.get(state.name);
    return kept?.isOf(state) ? kept : this.#find(state, this.#viewed);
  }

  #find(state: ServerState, servers: Map<string, PostgresServer>): PostgresServer {
    const known = servers.get(state.name);
    if (known?.isOf(state)) return known;
    const server = new PostgresServer(this.#options, state);
    servers.set(state.name, server);
    return server;
  }

  /** Takes ports and makes passwords; from now on the server is known, as one that is being created. */
  #register(server: CreateServer): Promise<ServerState> {
    return this.#oneAtATime("", async () => {
      const { folder, keys } = this.#options;
      const { name, size = "shared" } = server;
      const [zone, otherZone] = server.zones;
      const [port, otherPort] = await this.#freePorts(size);
      const seal = (who: keyof ServerState["passwords"]) =>
        keys.encrypt(generatePassword(), passwordContext(name, who));
      await removeServer(folder, name);
      const state: ServerState = {
        name,
        size,
        phase: "creating",
        nodes: [
          { zone, port },
          { zone: otherZone, port: otherPort },
        ],
        primary: zone,
        inSync: true,
        passwords: { administrator: await seal("administrator"), replication: await seal("replication") },
      };
      await writeServer(folder, state);
      return state;
    });
  }

  async #freePorts(size: ServerState["size"]): Promise<[number, number]> {
    const { first, last } = this.#options.ports[size];
    const states = await readServers(this.#options.folder);
    const taken = new Set(states.flatMap((state) => state.nodes.map((node) => node.port)));
    const range = Array.from({ length: last - first + 1 }, (_, index) => first + index);
    const [one, other] = range.filter((port) => !taken.has(port));
    if (one === undefined || other === undefined) {
      throw fault("E_QUOTA", `All ports for ${size} database servers, ${first} to ${last}, are taken.`, {
        remedy: "Delete a database server that is not needed any more.",
      });
    }
    return [one, other];
  }

  /** Runs what changes a server, as the one process that may and one after the other. */
  async #change(name: string, work: () => Promise<void>): Promise<void> {
    this.#works++;
    try {
      await this.#claim.take({ timeoutMilliseconds: claimMilliseconds });
      await this.#oneAtATime(name, work);
    } finally {
      this.#works--;
      await this.#letGo();
    }
  }

  async #letGo(): Promise<void> {
    await this.#claim.release(() => !this.#watching && this.#works === 0);
  }

  /** Runs what changes the same server one after the other. */
  async #oneAtATime<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const result = before.then(work);
    const done = result.catch(() => {});
    this.#last.set(name, done);
    try {
      return await result;
    } finally {
      if (this.#last.get(name) === done) this.#last.delete(name);
    }
  }
}
