import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A service that is started again whenever it ends. */
export interface Unit {
  /** The main process, while there is one. */
  readonly pid: number | undefined;
  /** How often the main process was started. */
  readonly starts: number;
  /** SIGTERM, and SIGKILL after the unit's TimeoutStopSec; with `power: "off"` SIGKILL at once. */
  stop(options?: { readonly power?: "off" }): Promise<void>;
}

interface UnitOptions {
  /** The unit's file. */
  readonly file: string;
  /** What the unit's absolute paths are below. */
  readonly root: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly logFile: string;
}

/** Runs a systemd unit of `Restart=always` as systemd would, without another user and without a sandbox. */
export async function startUnit(options: UnitOptions): Promise<Unit> {
  const unit = new RunningUnit(options, readSettings(await readFile(options.file, "utf8")));
  unit.start();
  return unit;
}

/** All values of each key of `[Service]`. */
type Settings = ReadonlyMap<string, readonly string[]>;

function readSettings(text: string): Settings {
  const [, service = ""] = /^\[Service\]$([\s\S]*?)(?=^\[|$(?![\s\S]))/m.exec(text) ?? [];
  const settings = new Map<string, string[]>();
  for (const line of service.split("\n").filter((one) => /^\w+=/.test(one))) {
    const [key = "", ...rest] = line.split("=");
    settings.set(key, [...(settings.get(key) ?? []), rest.join("=")]);
  }
  if (settings.get("Restart")?.[0] !== "always") throw new Error("The unit's Restart is not always.");
  return settings;
}

class RunningUnit implements Unit {
  readonly #options: UnitOptions;
  readonly #settings: Settings;
  readonly #stop = new AbortController();
  #child: ChildProcess | undefined;
  #isMain = false;
  #running: Promise<void> = Promise.resolve();
  starts = 0;

  constructor(options: UnitOptions, settings: Settings) {
    this.#options = options;
    this.#settings = settings;
  }

  get pid(): number | undefined {
    return this.#isMain ? this.#child?.pid : undefined;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop({ power }: { readonly power?: "off" } = {}): Promise<void> {
    this.#stop.abort();
    const child = this.#child;
    child?.kill(power === "off" ? "SIGKILL" : "SIGTERM");
    const timer = setTimeout(() => child?.kill("SIGKILL"), this.#seconds("TimeoutStopSec") * 1000);
    await this.#running;
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      if (await this.#prepare()) {
        this.starts++;
        await this.#execute(this.#settings.get("ExecStart")?.[0] ?? "", true);
      }
      await sleep(this.#seconds("RestartSec") * 1000, undefined, { signal: this.#stop.signal }).catch(
        () => {},
      );
    }
  }

  /** True when all commands that come before the main one have succeeded. */
  async #prepare(): Promise<boolean> {
    for (const command of this.#settings.get("ExecStartPre") ?? []) {
      if (this.#stop.signal.aborted || (await this.#execute(command, false)) !== 0) return false;
    }
    return !this.#stop.signal.aborted;
  }

  /** Runs one command line to its end; gives its exit code. */
  async #execute(line: string, isMain: boolean): Promise<number | null> {
    const { root, environment, logFile } = this.#options;
    const below = (word: string) => (word.startsWith("/") ? join(root, word) : word);
    const [command = "", ...args] = line
      .replace(/^[-+!@:]+/, "")
      .split(/\s+/)
      .map(below);
    const own = Object.fromEntries(
      (this.#settings.get("Environment") ?? []).map((text) => text.split("=", 2)),
    );
    const state = join(root, "var/lib", this.#settings.get("StateDirectory")?.[0] ?? "");
    await mkdir(state, { recursive: true });
    const log = await open(logFile, "a");
    try {
      const child = spawn(command, args, {
        cwd: below(this.#settings.get("WorkingDirectory")?.[0] ?? "/"),
        env: { ...own, STATE_DIRECTORY: state, ...environment },
        stdio: ["ignore", log.fd, log.fd],
      });
      this.#child = child;
      this.#isMain = isMain;
      if (this.#stop.signal.aborted) child.kill("SIGKILL");
      const [code] = (await once(child, "exit")) as [number | null];
      return code;
    } catch (error) {
      await log.write(`${command}: ${error}\n`);
      return null;
    } finally {
      this.#child = undefined;
      this.#isMain = false;
      await log.close();
    }
  }

  #seconds(key: string): number {
    return Number(this.#settings.get(key)?.[0] ?? 0);
  }
}
