import type pg from "pg";
import { type ConnectOptions, connect } from "../postgres/connect.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { copyEntries, type Directory } from "./directory.ts";

const pollMilliseconds = 2000;

/**
 * Keeps the region's copy of the directory current: of other regions' tenants too, so that an instance can name the
 * right address. Listens for changes, and asks now and then in case a notice was lost.
 */
export class DirectorySync {
  readonly #parts: {
    readonly directory: Directory;
    readonly pool: WriterPool;
    readonly connection: ConnectOptions;
  };
  #listener: pg.Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  #running = false;
  #again = false;

  constructor(parts: {
    readonly directory: Directory;
    readonly pool: WriterPool;
    readonly connection: ConnectOptions;
  }) {
    this.#parts = parts;
  }

  start(): void {
    this.#tick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#listener?.end().catch(() => {});
  }

  #tick(): void {
    if (this.#stopped) return;
    clearTimeout(this.#timer);
    // A round that fails (the directory is away) is made up for by the next.
    this.#listen()
      .then(() => this.#sync())
      .catch(() => {})
      .finally(() => {
        if (!this.#stopped) this.#timer = setTimeout(() => this.#tick(), pollMilliseconds).unref();
      });
  }

  async #listen(): Promise<void> {
    if (this.#listener) return;
    const client = await connect(this.#parts.connection);
    client.on("notification", () => void this.#sync().catch(() => {}));
    client.once("end", () => {
      this.#listener = undefined;
    });
    await client.query("LISTEN tenants");
    this.#listener = client;
  }

  async #sync(): Promise<void> {
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = true;
    try {
      do {
        this.#again = false;
        await this.#copyChanges();
      } while (this.#again);
    } finally {
      this.#running = false;
    }
  }

  async #copyChanges(): Promise<void> {
    const { directory, pool } = this.#parts;
    const { rows } = await pool.query<{ revision: string }>("SELECT revision FROM directory_cursor");
    let cursor = Number(rows[0]?.revision ?? 0);
    for (;;) {
      const changes = await directory.changesSince(cursor);
      const last = changes.at(-1);
      if (!last) return;
      // Half-made tenants may yet vanish again; while they are being made, their own region writes its copy itself.
      await copyEntries(
        pool,
        changes.filter((entry) => isSettled(entry.state)),
      );
      cursor = last.revision;
      await pool.query("UPDATE directory_cursor SET revision = $1", [cursor]);
    }
  }
}

function isSettled(state: string): boolean {
  return state !== "provisioning" && state !== "failed";
}
