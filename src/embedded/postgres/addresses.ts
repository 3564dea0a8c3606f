import { fault } from "../../core/error.ts";
import type { DatabaseCredentials, DatabaseEndpoint, Databases } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import { readCredentials, readServer, type ServerState } from "./server-state.ts";

/** Where the servers of a folder are reached, from their state files alone: starts and watches nothing. */
export class DatabaseAddresses implements Pick<Databases, "endpoint" | "administrator"> {
  readonly #folder: string;
  readonly #host: string;
  readonly #keys: Keys;
  /** One object per endpoint: connections remember by it which node takes writes. */
  readonly #endpoints = new Map<string, DatabaseEndpoint>();

  constructor(options: { readonly folder: string; readonly host: string; readonly keys: Keys }) {
    this.#folder = options.folder;
    this.#host = options.host;
    this.#keys = options.keys;
  }

  async endpoint(name: string): Promise<DatabaseEndpoint> {
    const { nodes } = await this.#read(name);
    const known = this.#endpoints.get(name);
    if (known && nodes.every(({ port }, index) => known.nodes[index]?.port === port)) return known;
    const endpoint = { nodes: nodes.map(({ port }) => ({ host: this.#host, port })) };
    this.#endpoints.set(name, endpoint);
    return endpoint;
  }

  async administrator(name: string): Promise<DatabaseCredentials> {
    return readCredentials(await this.#read(name), this.#keys, "administrator");
  }

  async #read(name: string): Promise<ServerState> {
    const state = await readServer(this.#folder, name);
    if (state?.phase !== "ready") throw fault("E_NOT_FOUND", `There is no database server "${name}".`);
    return state;
  }
}
