import { spawn } from "node:child_process";
import { mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { processIdentity } from "./process-identity.ts";
import { readJson, type StateFolder, writeFileAtomically } from "./state-folder.ts";

export type ProcessKind = "controller" | "balancer" | "instance" | "postgres";

export interface ProcessSpec {
  /** Unique in the state folder and its file name, as in `eu-west-1.controller`. */
  readonly name: string;
  readonly kind: ProcessKind;
  readonly command: string;
  /** Never a secret: arguments are there for all to see. */
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Numeric user and group to become; for Postgres, which refuses to run as root. */
  readonly user?: number;
  /** An open directory, handed over as file descriptor 3. */
  readonly directoryDescriptor?: number;
  /** Free for the caller, to find its processes again. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** One process as the state folder remembers it, so that whoever comes next can take it over. */
export interface ProcessRecord {
  readonly name: string;
  readonly kind: ProcessKind;
  readonly pid: number;
  /** Tells this process from a later one with the same pid. */
  readonly identity: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly startedAt: string;
}

const exitPollMilliseconds = 100;

/** The processes of one state folder. They outlive whoever started them; each is found again by its record. */
export class ProcessTable {
  readonly #folder: StateFolder;

  constructor(folder: StateFolder) {
    this.#folder = folder;
  }

  /** The live process of that name, or a new one. */
  async ensure(spec: ProcessSpec): Promise<ProcessRecord & { readonly adopted: boolean }> {
    const running = await this.find(spec.name);
    if (running) return { ...running, adopted: true };
    return { ...(await this.#spawn(spec)), adopted: false };
  }

  /** The record of that name, if its process lives. */
  async find(name: string): Promise<ProcessRecord | undefined> {
    const record = await readJson<ProcessRecord>(this.#path(name));
    return record && isAlive(record) ? record : undefined;
  }

  async list(kind?: ProcessKind): Promise<ProcessRecord[]> {
    await mkdir(this.#folder.processes, { recursive: true });
    const files = (await readdir(this.#folder.processes)).filter((file) => file.endsWith(".json"));
    const records = await Promise.all(files.map((file) => this.find(file.slice(0, -".json".length))));
    return records.filter(
      (record) => record !== undefined && (kind === undefined || record.kind === kind),
    ) as ProcessRecord[];
  }

  /** Resolves when the process is gone, whoever started it. */
  async exited(record: ProcessRecord, signal?: AbortSignal): Promise<void> {
    while (isAlive(record)) await sleep(exitPollMilliseconds, undefined, signal ? { signal } : {});
  }

  /** Signals, waits for the end for `graceMilliseconds`, then kills; the record is gone afterwards. */
  async terminate(
    name: string,
    options: { signal?: NodeJS.Signals; graceMilliseconds?: number } = {},
  ): Promise<void> {
    const record = await this.find(name);
    if (record) {
      signalProcess(record, options.signal ?? "SIGTERM");
      const deadline = performance.now() + (options.graceMilliseconds ?? 10_000);
      while (isAlive(record) && performance.now() < deadline) await sleep(20);
      if (isAlive(record)) signalProcess(record, "SIGKILL");
      while (isAlive(record)) await sleep(20);
    }
    await rm(this.#path(name), { force: true });
  }

  #path(name: string): string {
    return join(this.#folder.processes, `${name}.json`);
  }

  async #spawn(spec: ProcessSpec): Promise<ProcessRecord> {
    await mkdir(this.#folder.logs, { recursive: true });
    const log = await open(join(this.#folder.logs, `${spec.name}.log`), "a", 0o600);
    try {
      const child = spawn(spec.command, spec.args, {
        cwd: "/",
        // Its own session: neither Ctrl-C nor the end of the starter reaches it.
        detached: true,
        stdio: [
          "ignore",
          log.fd,
          log.fd,
          ...(spec.directoryDescriptor === undefined ? [] : [spec.directoryDescriptor]),
        ],
        env: {
          ...inheritedEnvironment(),
          [stateFolderVariable]: this.#folder.path,
          ...spec.environment,
        },
        ...(spec.user === undefined ? {} : { uid: spec.user, gid: spec.user }),
      });
      await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
      child.unref();
      const pid = child.pid as number;
      const record: ProcessRecord = {
        name: spec.name,
        kind: spec.kind,
        pid,
        identity: processIdentity(pid) ?? "gone",
        labels: spec.labels ?? {},
        startedAt: new Date().toISOString(),
      };
      await writeFileAtomically(this.#path(spec.name), JSON.stringify(record));
      return record;
    } finally {
      await log.close();
    }
  }
}

/** Marks every process of a state folder, so that one whose record was never written can be found too. */
export const stateFolderVariable = "ROWHOUSE_STATE_FOLDER";

/** True while the process lives and is the one that was recorded. */
export function isAlive(record: Pick<ProcessRecord, "pid" | "identity">): boolean {
  return processIdentity(record.pid) === record.identity;
}

function signalProcess(record: ProcessRecord, signal: NodeJS.Signals): void {
  try {
    if (isAlive(record)) process.kill(record.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** What a child needs of the environment; no secret of the caller's shell goes along. */
function inheritedEnvironment(): Record<string, string> {
  const kept = [
    ...["PATH", "HOME", "TMPDIR", "TZ", "LANG"],
    ...["NODE_COMPILE_CACHE", "NODE_EXTRA_CA_CERTS", "NODE_V8_COVERAGE"],
  ];
  return Object.fromEntries(kept.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

/** The file of one of Rowhouse's own programs, in the sources or in the built package alike. */
export function programFile(name: "controller" | "balancer" | "instance" | "supervisor"): string {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  return fileURLToPath(new URL(`../programs/${name}${extension}`, import.meta.url));
}
