import type { Config } from "../core/config/schema.ts";
import type { RegionStatus } from "./region-control.ts";

/** What `rowhouse up` asks of the supervisor. */
export interface UpOptions {
  /** Absolute; `config.app` is relative to its folder. */
  readonly configFile: string;
  /** What `configFile` says, parsed. */
  readonly config: Config;
  /** Reads `configFile` again, which may name another region by now. @throws E_CONFIG */
  readConfig(): Promise<Config>;
  /** Absolute. */
  readonly stateDirectory: string;
  readonly basePort: number;
  readonly host: string;
  onProgress(event: UpProgress): void;
  /** Aborted while starting: what was started is stopped in order, then the start rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** One line for whoever waits. */
export interface UpProgress {
  /** The part that reports; `region` events name their region in the message. */
  readonly at: "state" | "release" | "directory" | "region" | "dns" | "api" | "edge" | "stop";
  /** A short clause without a full stop, as in `eu-west-1: 2 instances healthy`. */
  readonly message: string;
}

/** What runs once `rowhouse up` is ready. */
export interface UpSummary {
  /** The supervisor's process. */
  readonly pid: number;
  /** The edge: the sign-up page. */
  readonly url: string;
  readonly consoleUrl: string;
  readonly apiUrl: string;
  /** `host:port`, UDP and TCP. */
  readonly dnsAddress: string;
  readonly stateDirectory: string;
  readonly regions: readonly {
    readonly name: string;
    readonly jurisdiction: string;
    readonly status: RegionStatus["status"];
    readonly balancerUrl: string;
  }[];
}

/** A supervisor that is ready. */
export interface RunningSupervisor {
  readonly summary: UpSummary;
  /** Settles when it ended: resolves after an orderly stop, rejects with the fault that ended it. */
  readonly stopped: Promise<void>;
  /** Stops everything that it runs, in order; safe to repeat. */
  stop(): Promise<void>;
}
