import type { Config } from "../../core/config/schema.ts";
import type { ServerProgram } from "../user-data.ts";

/** What all stacks of a config are made from. */
export interface Layout {
  readonly config: Config;
  readonly prefix: string;
  readonly accountId: string;
  /** The user data of a server, for its launch template. */
  readonly userData: (server: {
    readonly program: ServerProgram;
    readonly region: string;
    readonly prefix: string;
    readonly bucket: string;
  }) => string;
  /** Number of each region's network in the address plan. */
  readonly networks: Readonly<Record<string, number>>;
}

/** Hosts of the control plane: the sign-up page, the console, and the API as its own name. */
export function controlHosts(domain: string) {
  return { apex: domain, console: `console.${domain}`, api: `api.${domain}` } as const;
}

/** The registries' tables: regions have one each, and the control plane has its own, maybe in the same region. */
export const registryTableNames = {
  global: (prefix: string) => `${prefix}-control-plane`,
  region: (prefix: string) => `${prefix}-registry`,
} as const;
