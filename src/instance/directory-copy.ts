import { fault } from "../core/error.ts";
import { type TenantRow, toEntry } from "../core/tenant/directory-row.ts";
import type { DirectoryEntry } from "../core/tenant/tenant.ts";
import type { Clock } from "../ports/clock.ts";
import { type ConnectOptions, connect } from "../postgres/connect.ts";
import type { Queryable } from "../postgres/pool.ts";

interface Wish {
  resolve(entry: DirectoryEntry | undefined): void;
  reject(error: unknown): void;
}

export interface DirectoryCopyOptions {
  /** The region's control database. */
  readonly regionPool: Queryable;
  /** The same, for the connection that listens. */
  readonly regionConnection: ConnectOptions;
  readonly clock: Clock;
  /** Told of each slug whose row, profile or data location changed. */
  readonly onChange: (slug: string) => void;
}

const channel = "tenants";
const firstPauseMilliseconds = 100;
const longestPauseMilliseconds = 5_000;
const heartbeatMilliseconds = 15_000;
/** Slugs in one query; the rest waits for the next. */
const slugsPerQuery = 1_000;

/**
 * An instance's own copy of the region's directory, in memory. Changes come by NOTIFY; what is missing is asked
 * for, all missing slugs in one query and one query at a time. While the database is away, memory still answers.
 */
export class DirectoryCopy {
  readonly #options: DirectoryCopyOptions;
  readonly #entries = new Map<string, DirectoryEntry>();
  readonly #watchers = new Map<string, Set<() => void>>();
  readonly #stop = new AbortController();
  #wishes = new Map<string, Wish[]>();
  #reload: Wish[] = [];
  #querying = false;

  constructor(options: DirectoryCopyOptions) {
    this.#options = options;
  }

  /** Resolves when the copy is whole for the first time. */
  async start(): Promise<void> {
    await new Promise<void>((resolve) => void this.#listen(resolve));
  }

  stop(): void {
    this.#stop.abort();
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What memory knows. */
  find(slug: string): DirectoryEntry | undefined {
    return this.#entries.get(slug);
  }

  /**
   * What memory knows, or else the database: of an unknown tenant, and of one that is still being made.
   * @throws E_REGION_UNAVAILABLE when neither can tell
   */
  async lookup(slug: string): Promise<DirectoryEntry | undefined> {
    const known = this.#entries.get(slug);
    // The notice that a new tenant became active may still be on its way.
    return known && known.state !== "provisioning" ? known : this.#fetch(slug);
  }

  /** Resolves to true when the entry became what is waited for, to false when it did not in time. */
  async waitUntil(
    slug: string,
    wait: {
      readonly fits: (entry: DirectoryEntry | undefined) => boolean;
      readonly timeoutMilliseconds: number;
      readonly signal?: AbortSignal;
    },
  ): Promise<boolean> {
    if (wait.fits(this.#entries.get(slug))) return true;
    const timeout = new AbortController();
    const signal = AbortSignal.any([
      timeout.signal,
      this.#stop.signal,
      ...(wait.signal ? [wait.signal] : []),
    ]);
    let watcher = () => {};
    const changed = new Promise<boolean>((resolve) => {
      watcher = () => {
        if (wait.fits(this.#entries.get(slug))) resolve(true);
      };
    });
    const watchers = this.#watchers.get(slug) ?? new Set();
    this.#watchers.set(slug, watchers.add(watcher));
    const timedOut = this.#options.clock.sleep(wait.timeoutMilliseconds, signal).then(
      () => false,
      () => false,
    );
    try {
      return await Promise.race([changed, timedOut]);
    } finally {
      timeout.abort();
      watchers.delete(watcher);
      if (watchers.size === 0) this.#watchers.delete(slug);
    }
  }

  /** Listens for changes, for ever; each new connection is followed by a reload, for what was missed. */
  async #listen(onFirstLoad: () => void): Promise<void> {
    const { signal } = this.#stop;
    for (
      let pause = firstPauseMilliseconds;
      !signal.aborted;
      pause = Math.min(longestPauseMilliseconds, pause * 2)
    ) {
      try {
        await this.#listenOnce(() => {
          pause = firstPauseMilliseconds;
          onFirstLoad();
        });
      } catch {
        // The database is away, or not there yet: it will be asked again.
      }
      await this.#options.clock.sleep(pause, signal).catch(() => {});
    }
  }

  /** Returns when the connection has ended. */
  async #listenOnce(onLoad: () => void): Promise<void> {
    const { clock, regionConnection } = this.#options;
    const client = await connect(regionConnection);
    const over = new AbortController();
    const ended = new Promise<void>((resolve) => client.once("end", resolve));
    const onStop = () => void client.end().catch(() => {});
    this.#stop.signal.addEventListener("abort", onStop);
    try {
      client.on("notification", ({ payload }) => this.#onNotification(payload ?? ""));
      await client.query(`LISTEN ${channel}`);
      await new Promise<void>((resolve, reject) => {
        this.#reload.push({ resolve: () => resolve(), reject });
        void this.#query();
      });
      onLoad();
      void keepAlive(client, { clock, signal: over.signal });
      await ended;
    } finally {
      over.abort();
      this.#stop.signal.removeEventListener("abort", onStop);
      await client.end().catch(() => {});
    }
  }

  #onNotification(slug: string): void {
    if (slug === "") return;
    this.#fetch(slug).then(
      () => this.#announce(slug),
      // Without an answer what memory has stays; the next connection brings a reload.
      () => this.#options.onChange(slug),
    );
  }

  #fetch(slug: string): Promise<DirectoryEntry | undefined> {
    return new Promise((resolve, reject) => {
      const wishes = this.#wishes.get(slug);
      if (wishes) wishes.push({ resolve, reject });
      else this.#wishes.set(slug, [{ resolve, reject }]);
      void this.#query();
    });
  }

  async #query(): Promise<void> {
    if (this.#querying) return;
    this.#querying = true;
    while (this.#reload.length > 0 || this.#wishes.size > 0) {
      if (this.#reload.length > 0) await this.#loadAll(this.#reload.splice(0));
      else await this.#loadSome(this.#takeWishes());
    }
    this.#querying = false;
  }

  #takeWishes(): Map<string, Wish[]> {
    const batch = new Map([...this.#wishes].slice(0, slugsPerQuery));
    for (const slug of batch.keys()) this.#wishes.delete(slug);
    return batch;
  }

  async #loadAll(wishes: readonly Wish[]): Promise<void> {
    try {
      const { rows } = await this.#options.regionPool.query<TenantRow>("SELECT * FROM tenants");
      const gone = new Set(this.#entries.keys());
      const changed: string[] = [];
      for (const row of rows) {
        gone.delete(row.slug);
        if (this.#entries.get(row.slug)?.revision === Number(row.revision)) continue;
        this.#entries.set(row.slug, toEntry(row));
        changed.push(row.slug);
      }
      for (const slug of gone) this.#entries.delete(slug);
      for (const wish of wishes) wish.resolve(undefined);
      for (const slug of [...changed, ...gone]) this.#announce(slug);
    } catch (error) {
      for (const wish of wishes) wish.reject(error);
    }
  }

  async #loadSome(batch: ReadonlyMap<string, readonly Wish[]>): Promise<void> {
    try {
      const { rows } = await this.#options.regionPool.query<TenantRow>(
        "SELECT * FROM tenants WHERE slug = ANY($1)",
        [[...batch.keys()]],
      );
      const found = new Map(rows.map((row) => [row.slug, toEntry(row)]));
      for (const [slug, wishes] of batch) {
        const entry = found.get(slug);
        if (entry) this.#entries.set(slug, entry);
        else this.#entries.delete(slug);
        for (const wish of wishes) wish.resolve(entry);
      }
    } catch (cause) {
      const error = fault("E_REGION_UNAVAILABLE", "The region's directory can't be read just now.", {
        cause,
      });
      for (const wishes of batch.values()) for (const wish of wishes) wish.reject(error);
    }
  }

  #announce(slug: string): void {
    this.#options.onChange(slug);
    for (const watcher of this.#watchers.get(slug) ?? []) watcher();
  }
}

/** A peer that vanished without a word is found out by asking; its connection is then closed. */
async function keepAlive(
  client: Awaited<ReturnType<typeof connect>>,
  options: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const { clock, signal } = options;
  try {
    for (;;) {
      await clock.sleep(heartbeatMilliseconds, signal);
      const answered = client.query("SELECT 1").then(() => true);
      const late = clock.sleep(heartbeatMilliseconds, signal).then(() => false);
      if (!(await Promise.race([answered, late]))) client.connection.stream.destroy();
    }
  } catch {
    // The connection has ended, and its listener knows.
  }
}
