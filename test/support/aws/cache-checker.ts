import { randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cache } from "../../../src/ports/cache.ts";

const ttl = { ttlSeconds: 600 };

/** Reads and writes entries all the time and holds every answer against what was written. */
export interface CacheChecker {
  /** Wrong answers, in words. Must stay empty. */
  readonly wrong: readonly string[];
  /** Operations that failed. */
  failures(): number;
  /** Resolves when every entry was written and then read back after this call: all of the cache works. */
  untilAllWork(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * One loop for each key of each tenant. A loop writes through one client of the cache and reads through another, as
 * two instances would. It knows which answers are right: what was written last, or nothing at all, for a cache may
 * forget; after a write that failed, what was there before too.
 */
export function startCacheChecker(
  caches: readonly [Cache, Cache],
  tenants: readonly string[],
  keysOfEach = 2,
): CacheChecker {
  const state = { stopped: false, failures: 0, wrong: [] as string[], hits: new Map<string, number>() };
  const keys = tenants.flatMap((tenant) =>
    Array.from({ length: keysOfEach }, (_, n) => ({ tenant, key: `k${n}` })),
  );
  const loops = keys.map((entry) => new Loop(caches, entry, state).run());
  return {
    wrong: state.wrong,
    failures: () => state.failures,
    untilAllWork: async () => {
      const before = new Map(state.hits);
      const deadline = Date.now() + 20_000;
      const isStale = (name: string) => (state.hits.get(name) ?? 0) < (before.get(name) ?? 0) + 3;
      for (;;) {
        const waiting = keys.map(nameOf).filter(isStale);
        if (waiting.length === 0) return;
        if (Date.now() > deadline) throw new Error(`These entries don't work: ${waiting.join(", ")}`);
        await sleep(20);
      }
    },
    stop: async () => {
      state.stopped = true;
      await Promise.all(loops);
    },
  };
}

interface Entry {
  readonly tenant: string;
  readonly key: string;
}

interface State {
  stopped: boolean;
  failures: number;
  wrong: string[];
  readonly hits: Map<string, number>;
}

class Loop {
  readonly #caches: readonly [Cache, Cache];
  readonly #entry: Entry;
  readonly #state: State;
  /** All that a right answer can be, besides nothing. */
  #right = new Set<string>();
  #count = 0;

  constructor(caches: readonly [Cache, Cache], entry: Entry, state: State) {
    this.#caches = caches;
    this.#entry = entry;
    this.#state = state;
  }

  async run(): Promise<void> {
    // What an earlier checker left there is none of this one's.
    while (!(await this.#try(this.#writer().delete(this.#entry))));
    while (!this.#state.stopped) {
      const step = randomInt(10);
      if (step < 5) await this.#set();
      else if (step < 6) await this.#delete();
      else if (step < 7) await this.#setIfAbsent();
      await this.#get();
      // The machine is shared: about a hundred operations a second of each loop are plenty.
      await sleep(5);
    }
  }

  async #set(): Promise<void> {
    const value = this.#nextValue();
    const isDone = await this.#try(this.#writer().set(this.#entry, value, ttl));
    this.#right = isDone ? new Set([value]) : this.#right.add(value);
  }

  async #delete(): Promise<void> {
    if (await this.#try(this.#writer().delete(this.#entry))) this.#right = new Set();
  }

  async #setIfAbsent(): Promise<void> {
    const value = this.#nextValue();
    let won: boolean | undefined;
    await this.#try(
      this.#writer()
        .setIfAbsent(this.#entry, value, ttl)
        .then((answer) => {
          won = answer;
        }),
    );
    if (won === true) this.#right = new Set([value]);
    if (won === undefined) this.#right.add(value);
    if (won === false && this.#right.size === 0) this.#report("found something where nothing can be");
  }

  async #get(): Promise<void> {
    await this.#try(
      this.#reader()
        .get(this.#entry)
        .then((answer) => {
          if (answer === undefined) return;
          if (!this.#right.has(answer)) this.#report(`answered ${answer}, not one of ${[...this.#right]}`);
          const name = nameOf(this.#entry);
          this.#state.hits.set(name, (this.#state.hits.get(name) ?? 0) + 1);
        }),
    );
  }

  async #try(operation: Promise<void>): Promise<boolean> {
    try {
      await operation;
      return true;
    } catch (error) {
      this.#state.failures += 1;
      if ((error as { code?: string }).code !== "E_AWS_UNAVAILABLE") this.#report(String(error));
      return false;
    }
  }

  #nextValue(): string {
    this.#count += 1;
    return `${nameOf(this.#entry)}/${this.#count}`;
  }

  #writer(): Cache {
    return this.#caches[this.#count % 2]!;
  }

  #reader(): Cache {
    return this.#caches[(this.#count + 1) % 2]!;
  }

  #report(what: string): void {
    this.#state.wrong.push(`${nameOf(this.#entry)} ${what}`);
  }
}

function nameOf({ tenant, key }: Entry): string {
  return `${tenant}/${key}`;
}
