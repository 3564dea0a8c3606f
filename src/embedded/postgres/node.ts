import { open, readFile, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { fault, type RowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { DatabaseNodeStatus } from "../../ports/databases.ts";
import { isAlive, type ProcessRecord, type ProcessTable } from "../processes.ts";
import type { PostgresBinaries } from "./binaries.ts";
import { type NodeConfiguration, renderAuthentication, renderConfiguration } from "./configuration.ts";
import { makeFolder, postgresFault, withDataDirectory, writeDataFile } from "./data-folder.ts";
import { killStrays, lockFileLines, lockFilePid } from "./strays.ts";

export interface NodePlace {
  /** In the process table. */
  readonly processName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly zone: string;
  readonly host: string;
  readonly port: number;
  readonly dataFolder: string;
  /** Where the process table sends what the process says. */
  readonly logFile: string;
  readonly processes: ProcessTable;
  readonly binaries: PostgresBinaries;
  readonly clock: Clock;
}

/** A node whose folder has this file starts as a standby. */
const standbySignal = "standby.signal";
const clearingAttempts = 4;
const clearingPauseMilliseconds = 50;

export type NodeLiveness = Pick<DatabaseNodeStatus, "status" | "pid">;

/** One Postgres process and its data folder. Whoever holds this object may not have started the process. */
export class PostgresNode {
  readonly place: NodePlace;
  #record: ProcessRecord | undefined;
  #isReady = false;
  #applied: string | undefined;
  #logSizeAtStart = 0;

  constructor(place: NodePlace) {
    this.place = place;
  }

  /** Whether the process lives and takes connections. */
  async look(): Promise<NodeLiveness> {
    if (!this.#record || !isAlive(this.#record)) {
      this.#record = await this.place.processes.find(this.place.processName);
      this.#isReady = false;
    }
    if (!this.#record) return { status: "down" };
    const { pid } = this.#record;
    if (!this.#isReady) {
      const lines = await lockFileLines(this.place.dataFolder);
      this.#isReady = lines[0] === String(pid) && lines[7] === "ready";
    }
    return { status: this.#isReady ? "running" : "starting", pid };
  }

  /**
   * Starts the process if it does not live; it takes connections some time after.
   * @throws E_PORT_IN_USE, E_DISK_FULL
   */
  async start(configuration: NodeConfiguration): Promise<void> {
    if ((await this.look()).status !== "down") return;
    const { place } = this;
    await this.clearWay();
    await this.#writeFiles(configuration);
    const stalePid = await lockFilePid(place.dataFolder);
    this.#logSizeAtStart = await stat(place.logFile).then(
      (found) => found.size,
      () => 0,
    );
    this.#record = await withDataDirectory(place.dataFolder, place.binaries, (directory) =>
      place.processes.ensure({
        name: place.processName,
        kind: "postgres",
        command: join(place.binaries.bin, "postgres"),
        args: ["-D", directory.argument],
        labels: place.labels,
        // Another program may have the pid that a crash left in postmaster.pid. Postgres believes that its own
        // ancestors hold no lock (they may have had the pid before a reboot), and this is how it learns of them.
        // Source: CreateLockFile in Postgres's src/backend/utils/init/miscinit.c.
        environment: stalePid === undefined ? {} : { PG_GRANDPARENT_PID: String(stalePid) },
        ...(place.binaries.user === undefined ? {} : { user: place.binaries.user }),
        ...(directory.descriptor === undefined ? {} : { directoryDescriptor: directory.descriptor }),
      }),
    );
    this.#isReady = false;
  }

  /**
   * Ends what is left of an earlier process, and makes sure of the port. (Postgres would say that it is taken too,
   * but in a log that its starter does not wait for.)
   * @throws E_PORT_IN_USE
   */
  async clearWay(): Promise<void> {
    const { host, port, dataFolder, clock } = this.place;
    for (let attempt = 1; ; attempt++) {
      await killStrays(dataFolder, clock);
      if (await isFree(host, port)) return;
      if (attempt === clearingAttempts) throw portFault(host, port);
      // A process that was just forked can't be told by its folder yet.
      await clock.sleep(clearingPauseMilliseconds);
    }
  }

  /** Gives a running process another configuration; what only a start can change waits for the next one. */
  async configure(configuration: NodeConfiguration): Promise<void> {
    const text = renderConfiguration(configuration);
    if (text === this.#applied) return;
    // One that is starting would be ended by the signal, until it listens for it.
    const { status, pid } = await this.look();
    if (status !== "running" || pid === undefined) return;
    const path = join(this.place.dataFolder, "postgresql.conf");
    if ((await readFile(path, "utf8").catch(() => "")) !== text) {
      await writeDataFile(path, text, this.place.binaries.user);
    }
    signal(pid, "SIGHUP");
    this.#applied = text;
  }

  /** `SIGINT` disconnects everyone and shuts down in order, `SIGQUIT` leaves the rest to crash recovery. */
  async stop(signal: "SIGINT" | "SIGQUIT", graceMilliseconds: number): Promise<void> {
    await this.place.processes.terminate(this.place.processName, { signal, graceMilliseconds });
    await killStrays(this.place.dataFolder, this.place.clock);
    this.#record = undefined;
  }

  /**
   * Ends all processes of the data folder for certain, stopped and hung ones too; returns when none is left. One that
   * a starter which was itself killed still sets going comes up as a standby, and so takes no writes.
   */
  async fence(): Promise<void> {
    const { dataFolder, binaries, clock, processes, processName } = this.place;
    await writeDataFile(join(dataFolder, standbySignal), "", binaries.user).catch(unlessMissing);
    await processes.terminate(processName, { signal: "SIGKILL", graceMilliseconds: 0 });
    // A postmaster may have forked between two looks.
    while ((await killStrays(dataFolder, clock)) > 0);
    this.#record = undefined;
  }

  /** Removes a folder inside the data folder with all in it, and makes it anew; for a node that does not run. */
  async emptyFolder(name: string): Promise<void> {
    const path = join(this.place.dataFolder, name);
    await rm(path, { recursive: true, force: true });
    await makeFolder(path, this.place.binaries.user);
  }

  /**
   * Has a running standby end its recovery and begin a new timeline, as `pg_ctl promote` does; it takes writes some
   * time after. Without effect on a node that is none.
   */
  async promote(): Promise<void> {
    const { status, pid } = await this.look();
    if (status !== "running" || pid === undefined) return;
    await writeDataFile(join(this.place.dataFolder, "promote"), "", this.place.binaries.user);
    signal(pid, "SIGUSR1");
  }

  /** Why the process that was last started here ended. */
  async lastWords(): Promise<RowhouseError> {
    const complaints = await readFrom(this.place.logFile, this.#logSizeAtStart);
    return /could not create any TCP|could not bind/.test(complaints)
      ? portFault(this.place.host, this.place.port)
      : postgresFault("postgres", complaints);
  }

  async #writeFiles(configuration: NodeConfiguration): Promise<void> {
    const { dataFolder, binaries, host } = this.place;
    const text = renderConfiguration(configuration);
    const signalFile = join(dataFolder, standbySignal);
    await Promise.all([
      writeDataFile(join(dataFolder, "postgresql.conf"), text, binaries.user),
      writeDataFile(join(dataFolder, "pg_hba.conf"), renderAuthentication(host), binaries.user),
      configuration.role.kind === "standby"
        ? writeDataFile(signalFile, "", binaries.user)
        : rm(signalFile, { force: true }),
    ]);
    this.#applied = text;
  }
}

async function isFree(host: string, port: number): Promise<boolean> {
  const probe = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      probe.once("error", reject).listen({ host, port, exclusive: true }, resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  await new Promise((resolve) => probe.close(resolve));
  return true;
}

function signal(pid: number, name: "SIGHUP" | "SIGUSR1"): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It ended just now; its next start reads what the signal was about.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function portFault(host: string, port: number): RowhouseError {
  return fault(
    "E_PORT_IN_USE",
    `The port ${port} on ${host}, needed for Postgres, is taken by another program.`,
  );
}

async function readFrom(path: string, offset: number): Promise<string> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return "";
  try {
    const buffer = Buffer.alloc(16_384);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}
