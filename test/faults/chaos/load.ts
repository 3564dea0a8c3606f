import { setTimeout as pause } from "node:timers/promises";
import { authorOf, titleOf } from "./checker.ts";
import type { Write } from "./ledger.ts";
import type { ChaosTenant, World } from "./world.ts";

/** A request that is not answered in this time is given up: nobody knows what became of it. */
const requestTimeoutMilliseconds = 20_000;
/** Between two writes of one tenant. */
const writePauseMilliseconds = 120;
/** So many writes to one read. */
const writesPerRead = 3;

/** Statuses that say that nothing was done. */
const refusals = new Set([400, 403, 404, 410, 421, 429]);

export interface LoadFigures {
  acknowledged: number;
  reads: number;
  /** Requests that failed, by what and how. */
  readonly failed: Map<string, number>;
  /** Acknowledged writes that a later read did not show. */
  readonly unseen: string[];
}

/** Writes to and reads from every tenant at the edge until it is stopped, through everything. */
export function startLoad(world: World): { readonly figures: LoadFigures; stop(): Promise<void> } {
  const figures: LoadFigures = { acknowledged: 0, reads: 0, failed: new Map(), unseen: [] };
  let isStopped = false;
  const clients = world.tenants.map(async (tenant) => {
    for (let number = 0; !isStopped; number++) {
      const before = tenant.acknowledgedAt.length;
      await writeOnce(world, tenant, figures);
      if (number % writesPerRead === 0 && tenant.acknowledgedAt.length > before)
        await readBack(world, tenant, figures);
      await pause(writePauseMilliseconds * (0.5 + Math.random()));
    }
  });
  return {
    figures,
    async stop() {
      isStopped = true;
      await Promise.all(clients);
    },
  };
}

/** One write more: whether it was acknowledged. */
export async function writeOnce(world: World, tenant: ChaosTenant, figures: LoadFigures): Promise<boolean> {
  const title = titleOf(tenant.slug, tenant.ledger.writes.length);
  const write = tenant.ledger.begin(title, world.now());
  const outcome = await post(world, tenant.slug, title);
  settle(write, outcome, world.now());
  if (write.outcome === "acknowledged") {
    figures.acknowledged++;
    tenant.acknowledgedAt.push(write.endedAt);
  } else if (!(tenant.isSuspended && outcome.kind === "403")) note(figures, `write ${outcome.kind}`);
  return write.outcome === "acknowledged";
}

interface Outcome {
  /** The status, or the error's code. */
  readonly kind: string;
  readonly id?: number;
}

async function post(world: World, slug: string, title: string): Promise<Outcome> {
  try {
    const response = await world.system.tenant(slug, "/api/books", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ title, author: authorOf(title) }),
      signal: AbortSignal.timeout(requestTimeoutMilliseconds),
    });
    const text = await response.text();
    if (response.status !== 201) return { kind: String(response.status) };
    return { kind: "201", id: (JSON.parse(text) as { id: number }).id };
  } catch (error) {
    return { kind: kindOf(error) };
  }
}

function settle(write: Write, { kind, id }: Outcome, now: number): void {
  write.endedAt = now;
  write.outcome = kind === "201" ? "acknowledged" : refusals.has(Number(kind)) ? "refused" : "unknown";
  if (id !== undefined) write.id = id;
}

/** What was acknowledged must be visible to whoever asks from now on. */
async function readBack(world: World, tenant: ChaosTenant, figures: LoadFigures): Promise<void> {
  const isDoubtful = () => tenant.isRestoring || tenant.isSuspended;
  const write = tenant.ledger.writes.findLast(({ outcome }) => outcome === "acknowledged");
  if (!write || isDoubtful()) return;
  figures.reads++;
  try {
    const response = await world.system.tenant(tenant.slug, `/api/books/${write.id}`, {
      signal: AbortSignal.timeout(requestTimeoutMilliseconds),
    });
    const text = await response.text();
    if (isDoubtful()) return;
    const isShown = response.status === 200 && (JSON.parse(text) as { title: string }).title === write.title;
    if (response.status === 404 || (response.status === 200 && !isShown))
      figures.unseen.push(`${write.title} (id ${write.id}): ${response.status} ${text.slice(0, 120)}`);
    else if (!isShown) note(figures, `read ${response.status}`);
  } catch (error) {
    note(figures, `read ${kindOf(error)}`);
  }
}

function note(figures: LoadFigures, kind: string): void {
  figures.failed.set(kind, (figures.failed.get(kind) ?? 0) + 1);
}

function kindOf(error: unknown): string {
  const { name, cause } = error as { name?: string; cause?: { code?: string; name?: string } };
  return cause?.code ?? cause?.name ?? name ?? "error";
}
