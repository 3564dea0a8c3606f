import { randomBytes } from "node:crypto";
import { maximumCacheTtlSeconds } from "../../core/cache/entry.ts";
import type { CacheClient } from "./cluster.ts";

/** No entry lives longer than its generation. */
const generationMilliseconds = maximumCacheTtlSeconds * 1_000;

/** How often an operation is begun anew because the tenant was cleared meanwhile. */
const mostRounds = 5;

/**
 * A tenant's entries carry its generation in their key, and clearing a tenant begins a new one: for all instances at
 * once, however much there was. Each operation is sent together with the question for the generation, in one round
 * trip, under the generation that this process saw last; if that was not the current one, it is done again.
 */
export class Generations {
  readonly #lastSeen = new Map<string, string>();

  /** Runs `work` with the prefix of the keys of the tenant's entries. */
  async within<T>(client: CacheClient, tenant: string, work: (prefix: string) => Promise<T>): Promise<T> {
    let generation = this.#lastSeen.get(tenant) ?? (await this.#current(client, tenant));
    for (let round = 0; round < mostRounds; round++) {
      const { result, seen } = await this.#together(client, tenant, () => work(prefixOf(tenant, generation)));
      if (seen === generation) return result;
      generation = seen;
    }
    throw new Error("The tenant's cache is cleared again and again");
  }

  /** Begins the tenant's next generation and gives the prefix of its keys. */
  async next(client: CacheClient, tenant: string): Promise<string> {
    const generation = await client.nextGeneration(
      generationKey(tenant),
      freshText(),
      generationMilliseconds,
    );
    this.#lastSeen.set(tenant, generation);
    return prefixOf(tenant, generation);
  }

  /** What the work gave, and the generation after it. */
  async #together<T>(
    client: CacheClient,
    tenant: string,
    work: () => Promise<T>,
  ): Promise<{ result: T; seen: string }> {
    let isDone = false;
    const worked = work().then((value) => {
      isDone = true;
      return value;
    });
    const asked = this.#current(client, tenant).then((generation) => ({ generation, isAfter: isDone }));
    // Neither may still be on its way when the operation is begun anew.
    const [result, answer] = await Promise.allSettled([worked, asked]);
    if (result.status === "rejected") throw result.reason;
    if (answer.status === "rejected") throw answer.reason;
    const { generation, isAfter } = answer.value;
    // One connection keeps the order. Only a redirection can turn it round, and an older answer would prove nothing.
    return { result: result.value, seen: isAfter ? generation : await this.#current(client, tenant) };
  }

  async #current(client: CacheClient, tenant: string): Promise<string> {
    const generation = await client.currentGeneration(
      generationKey(tenant),
      freshText(),
      generationMilliseconds,
    );
    this.#lastSeen.set(tenant, generation);
    return generation;
  }
}

/** The hash tag puts everything of a tenant into one slot. No tenant's name has a brace. */
export function generationKey(tenant: string): string {
  return `{${tenant}}`;
}

function prefixOf(tenant: string, generation: string): string {
  return `{${tenant}}${generation}:`;
}

/** Never the same again, so that no earlier generation can come back. */
function freshText(): string {
  return randomBytes(9).toString("base64url");
}
