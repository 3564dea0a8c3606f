import { join } from "node:path";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import { readCredentials, type ServerState, serverFolder, writeServer } from "./server-state.ts";

/** A server's state in the memory of the one process that looks after it, and in its file. */
export class ServerRecord {
  readonly #folder: string;
  readonly #keys: Keys;
  readonly #credentials = new Map<string, Promise<DatabaseCredentials>>();
  #state: ServerState;
  #changed: Promise<unknown> = Promise.resolve();

  constructor(folder: string, keys: Keys, state: ServerState) {
    this.#folder = folder;
    this.#keys = keys;
    this.#state = state;
  }

  get state(): ServerState {
    return this.#state;
  }

  /** The server's own folder. */
  get folder(): string {
    return serverFolder(this.#folder, this.#state.name);
  }

  dataFolder(zone: string): string {
    return join(this.folder, zone);
  }

  /** Changes the state, first in the file; one change after the other, each on what the one before made. */
  async change(change: (state: ServerState) => ServerState): Promise<void> {
    const changing = this.#changed.then(async () => {
      const changed = change(this.#state);
      if (changed === this.#state) return;
      await writeServer(this.#folder, changed);
      this.#state = changed;
    });
    this.#changed = changing.catch(() => {});
    return changing;
  }

  /** Resolves when no change is on its way. */
  async settled(): Promise<void> {
    await this.#changed;
  }

  /** Decrypted once. @throws E_DECRYPT */
  credentials(who: keyof ServerState["passwords"]): Promise<DatabaseCredentials> {
    let credentials = this.#credentials.get(who);
    if (!credentials) {
      credentials = readCredentials(this.#state, this.#keys, who);
      this.#credentials.set(who, credentials);
      credentials.catch(() => this.#credentials.delete(who));
    }
    return credentials;
  }
}
