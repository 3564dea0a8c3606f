import { existsSync } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { fault, toRowhouseError } from "../core/error.ts";
import type { Replicas } from "../ports/replicas.ts";
import type { EmbeddedDatabases } from "./databases.ts";
import type { PortRange } from "./listeners.ts";
import { findPostgres } from "./postgres/binaries.ts";
import {
  passwordContext,
  readServer,
  readServers,
  type ServerState,
  serverFolder,
  writeServer,
} from "./postgres/server-state.ts";
import { Replica, type ReplicaEnvironment, replicaSlot } from "./replicas/replica.ts";
import {
  type ReplicaName,
  type ReplicaState,
  readReplica,
  readReplicas,
  removeReplica,
  replicaContext,
  writeReplica,
} from "./replicas/replica-state.ts";
import { type SourceRegion, SourceServer } from "./replicas/source-server.ts";

/** A region's replicas, and what looks after them. */
export interface EmbeddedReplicas extends Replicas {
  /** Looks after the replicas of one source from now on, and those made later: the source's own controller does so. */
  watch(source: string): void;
  /** Ends the watch and all connections; the replicas run on. */
  stopWatching(): Promise<void>;
}

export type ReplicasOptions = Omit<ReplicaEnvironment, "binaries"> & {
  readonly ports: PortRange;
  /** Where a source's servers are. */
  readonly source: (region: string) => Promise<SourceRegion>;
  /** Folder of the servers of the region that keeps the replicas: promoted ones come there. */
  readonly databasesFolder: string;
  /** What looks after these servers; only who promotes needs it. */
  readonly databases?: EmbeddedDatabases;
};

const watchPauseMilliseconds = 200;
const followingMilliseconds = 30_000;

export async function createReplicas(options: ReplicasOptions): Promise<EmbeddedReplicas> {
  return new PostgresReplicas({ ...options, binaries: await findPostgres() });
}

class PostgresReplicas implements EmbeddedReplicas {
  readonly #options: ReplicasOptions & ReplicaEnvironment;
  readonly #stopping = new AbortController();
  readonly #kept = new Map<string, { readonly replica: Replica; readonly source: SourceServer }>();
  readonly #last = new Map<string, Promise<unknown>>();
  #watching: Promise<void> | undefined;

  constructor(options: ReplicasOptions & ReplicaEnvironment) {
    this.#options = options;
  }

  async create(name: ReplicaName): Promise<void> {
    const { clock, folder } = this.#options;
    await this.#oneAtATime(keyOf(name), async () => {
      const source = await this.#sourceOf(name);
      try {
        const server = await source.state();
        const found = await readReplica(folder, name);
        if (found?.phase === "following" || found?.phase === "promoting") return;
        const replica = new Replica(this.#options, found ?? (await this.#register(name, server, source)));
        await replica.make(source, this.#stopping.signal);
        const deadline = clock.elapsedMilliseconds() + followingMilliseconds;
        while (!(await source.look(server))?.isConnected) {
          await replica.tick(source);
          if (clock.elapsedMilliseconds() > deadline)
            throw fault("E_DATABASE_UNAVAILABLE", `The replica of ${name.server} does not follow it.`);
          await clock.sleep(20, this.#stopping.signal);
        }
        replica.close();
      } finally {
        source.close();
      }
    });
  }

  async list(): ReturnType<Replicas["list"]> {
    const states = await readReplicas(this.#options.folder);
    return Promise.all(
      states.map(async (state) => {
        const replica = new Replica(this.#options, state);
        return replica.status().finally(() => replica.close());
      }),
    );
  }

  async promote(command: Parameters<Replicas["promote"]>[0]): Promise<void> {
    const { databases, databasesFolder, folder } = this.#options;
    const { name, zones } = command;
    if (!databases) throw fault("E_INTERNAL", "A replica is promoted where it lies.");
    await this.#oneAtATime(keyOf(command), async () => {
      const state = await readReplica(folder, command);
      const isServer = (await readServer(databasesFolder, name)) !== undefined;
      if (!isServer && (!state || state.phase === "creating"))
        throw fault(
          "E_NOT_FOUND",
          `There is no replica of the server ${command.server} of ${command.source}.`,
        );
      if (state && !isServer) await this.#makeServer(state, name, zones);
      await removeReplica(folder, command);
      await databases.create({ name, zones, size: state?.size ?? "shared" });
    });
  }

  async delete(name: ReplicaName): Promise<void> {
    await this.#oneAtATime(keyOf(name), async () => {
      const { folder } = this.#options;
      const state = await readReplica(folder, name);
      const source = await this.#sourceOf(name);
      this.#forget(keyOf(name));
      if (state) await new Replica(this.#options, state).end();
      // One that was promoted is its source's follower no more.
      if (state?.phase !== "promoting") await source.dropSlot().finally(() => source.close());
      await removeReplica(folder, name);
    });
  }

  watch(source: string): void {
    this.#watching ??= this.#keepTicking(source);
  }

  async stopWatching(): Promise<void> {
    this.#stopping.abort(fault("E_DATABASE_UNAVAILABLE", "Nobody looks after the replicas any more."));
    await this.#watching;
    await Promise.allSettled(this.#last.values());
    for (const key of [...this.#kept.keys()]) this.#forget(key);
  }

  async #keepTicking(source: string): Promise<void> {
    const { clock, log, folder } = this.#options;
    let lastProblem = "";
    while (!this.#stopping.signal.aborted) {
      try {
        const states = (await readReplicas(folder)).filter((state) => state.source === source);
        await Promise.all(states.map((state) => this.#tick(state)));
        for (const key of this.#kept.keys())
          if (!states.some((state) => keyOf(state) === key)) this.#forget(key);
        lastProblem = "";
      } catch (error) {
        const { message } = toRowhouseError(error);
        if (message !== lastProblem) log(`replicas: ${message}`);
        lastProblem = message;
      }
      await clock.sleep(watchPauseMilliseconds, this.#stopping.signal).catch(() => {});
    }
  }

  /** Whoever makes or removes it just now looks after it itself. */
  async #tick(state: ReplicaState): Promise<void> {
    const key = keyOf(state);
    if (this.#last.has(key)) return;
    await this.#oneAtATime(key, async () => {
      // Anything may have happened to it since it was read.
      const current = await readReplica(this.#options.folder, state);
      if (!current || this.#stopping.signal.aborted) return;
      let kept = this.#kept.get(key);
      if (kept && JSON.stringify(kept.replica.state) !== JSON.stringify(current)) {
        this.#forget(key);
        kept = undefined;
      }
      kept ??= { replica: new Replica(this.#options, current), source: await this.#sourceOf(current) };
      this.#kept.set(key, kept);
      await kept.replica.tick(kept.source);
    });
  }

  #forget(key: string): void {
    const kept = this.#kept.get(key);
    this.#kept.delete(key);
    kept?.replica.close();
    kept?.source.close();
  }

  async #sourceOf({ source, server }: ReplicaName): Promise<SourceServer> {
    const region = await this.#options.source(source);
    return new SourceServer({ region, name: server, slot: replicaSlot(this.#options.region) });
  }

  /** Takes ports and keeps the passwords under this region's key; from now on the replica is known. */
  #register(name: ReplicaName, server: ServerState, source: SourceServer): Promise<ReplicaState> {
    return this.#oneAtATime("", async () => {
      const { folder, keys } = this.#options;
      const ports = await this.#freePorts();
      const seal = async (who: keyof ReplicaState["passwords"]) =>
        keys.encrypt((await source.credentials(server, who)).password, replicaContext(name, who));
      const { source: region, server: of } = name;
      const passwords = {
        administrator: await seal("administrator"),
        replication: await seal("replication"),
      };
      const state: ReplicaState = {
        source: region,
        server: of,
        size: server.size,
        phase: "creating",
        ports,
        passwords,
      };
      await writeReplica(folder, state);
      return state;
    });
  }

  async #freePorts(): Promise<[number, number]> {
    const { folder, databasesFolder, ports } = this.#options;
    const [replicas, servers] = await Promise.all([readReplicas(folder), readServers(databasesFolder)]);
    const taken = new Set([
      ...replicas.flatMap((replica) => replica.ports),
      ...servers.flatMap((server) => server.nodes.map(({ port }) => port)),
    ]);
    for (let port = ports.first; port < ports.last; port += 2)
      if (!taken.has(port) && !taken.has(port + 1)) return [port, port + 1];
    throw fault("E_QUOTA", `All ports for replicas, ${ports.first} to ${ports.last}, are taken.`, {
      remedy: "Delete a database server that is not needed any more.",
    });
  }

  /** Promotes the copy and puts it where this region's servers are. Each step finds out whether it was done already. */
  async #makeServer(state: ReplicaState, name: string, zones: readonly [string, string]): Promise<void> {
    const { databasesFolder, keys } = this.#options;
    const replica = new Replica(this.#options, state);
    await replica.change("promoting");
    const [zone, otherZone] = zones;
    const place = join(serverFolder(databasesFolder, name), zone);
    if (!existsSync(place)) {
      await replica.promote();
      await replica.end();
      await mkdir(serverFolder(databasesFolder, name), { recursive: true, mode: 0o700 });
      await rename(replica.dataFolder, place);
    }
    const seal = async (who: keyof ReplicaState["passwords"]) =>
      keys.encrypt(await replica.password(who), passwordContext(name, who));
    await writeServer(databasesFolder, {
      name,
      size: state.size,
      phase: "ready",
      nodes: [
        { zone, port: state.ports[0] },
        { zone: otherZone, port: state.ports[1] },
      ],
      primary: zone,
      inSync: false,
      passwords: { administrator: await seal("administrator"), replication: await seal("replication") },
    });
  }

  /** Runs what changes the same replica one after the other. */
  async #oneAtATime<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const result = before.then(work);
    const done = result.catch(() => {});
    this.#last.set(key, done);
    try {
      return await result;
    } finally {
      if (this.#last.get(key) === done) this.#last.delete(key);
    }
  }
}

function keyOf({ source, server }: ReplicaName): string {
  return `${source}/${server}`;
}
