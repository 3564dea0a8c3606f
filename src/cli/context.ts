import type { EventEmitter } from "node:events";
import type { Readable, Writable } from "node:stream";
import type { RunningSupervisor, UpOptions, UpProgress } from "../control/up.ts";
import type { Config } from "../core/config/schema.ts";

/** What the command line may touch of the process that it runs in. */
export interface CliContext {
  /** Version of Rowhouse. */
  readonly version: string;
  /** The folder with Rowhouse's package.json. */
  readonly packageRoot: string;
  /** How the user calls the command from here, as in `rowhouse` or `bin/rowhouse`; for hints. */
  readonly commandName: string;
  readonly workingDirectory: string;
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable & { readonly isTTY?: boolean };
  /** Emits the names of signals: the process itself. */
  readonly signals: Pick<EventEmitter, "on" | "off">;
  /** To the process that started this one detached, where there is one. */
  readonly parent?: ParentChannel;
  /** The programs that `up` and `down` start. */
  readonly programs: {
    startSupervisor(options: UpOptions): Promise<RunningSupervisor>;
    stopEverything(options: {
      readonly stateDirectory: string;
      onProgress(event: UpProgress): void;
    }): Promise<{ readonly stopped: number }>;
    /** Where the config's deployed control plane answers. */
    findControlPlane(config: Config): Promise<{ readonly apiUrl: string; readonly token: string }>;
  };
}

/** One way to whoever waits for this process to be ready. */
interface ParentChannel {
  send(message: unknown): void;
  disconnect(): void;
}
