import { type ErrorJson, fault, toRowhouseError } from "../../core/error.ts";
import { planWaves, type Wave } from "../../core/migration/waves.ts";
import type { DirectoryEntry } from "../../core/tenant/tenant.ts";
import type { Clock } from "../../ports/clock.ts";
import { traceStep } from "../../postgres/migration-trace.ts";
import type { Directory } from "../directory.ts";
import type { RegionControl } from "../region-control.ts";
import type { TenantMigration } from "./migrate-tenants.ts";

export interface MigrateOptions {
  /** This tenant alone. */
  readonly tenant?: string;
  /** Tenants that go first; the run stops when one of them fails. */
  readonly canaries: number;
  /** Tenants of a region that are worked on at the same time. */
  readonly concurrency: number;
  /** The run stops once more than so many have failed. */
  readonly maxFailures: number;
}

export interface MigrateProgress {
  readonly done: number;
  readonly total: number;
  readonly failed: number;
  /** What goes on, in words. */
  readonly message: string;
}

/** The answer of `rowhouse migrate run`. */
export interface MigrateDocument {
  /** Schema version of the newest release. */
  readonly target: number;
  /** Tenants that the run was for. */
  readonly total: number;
  readonly applied: number;
  /** Those that had it already. */
  readonly skipped: number;
  readonly failed: readonly { readonly slug: string; readonly error: ErrorJson }[];
  /** Those that were in use all the time; a later run takes them. */
  readonly later: readonly { readonly slug: string; readonly error: ErrorJson }[];
  /** Why the run ended before it had tried all; those left out keep their schema. */
  readonly stopped: string | null;
  readonly durationMs: number;
}

interface Parts {
  readonly directory: Directory;
  readonly regions: ReadonlyMap<string, RegionControl>;
  readonly clock: Clock;
  readonly onProgress?: (progress: MigrateProgress) => void;
  readonly signal?: AbortSignal;
}

/** A tenant in use is tried so often, with a pause before each further time. */
const busyRounds = 3;
const busyPauseMilliseconds = 1000;

/**
 * Brings every tenant of all running regions to the newest schema: canaries first, then in waves. Who is up to date by
 * the directory is never connected to. What it has done is in the tenants' own ledgers, so a run that was broken off
 * is continued by the next one. @throws E_TENANT_NOT_FOUND, E_REGION_UNAVAILABLE, E_RELEASE_MISSING
 */
export async function runMigrations(parts: Parts, options: MigrateOptions): Promise<MigrateDocument> {
  const startedAt = parts.clock.elapsedMilliseconds();
  const { total, behind, target } = await traceStep("find-behind", () => findBehind(parts, options.tenant));
  const run = new Run(parts, options, behind.length);
  await run.work(planWaves(behind, options));
  const { applied, confirmed, failed, later, stopped } = run;
  return {
    target,
    total,
    applied,
    skipped: total - behind.length + confirmed,
    failed,
    later,
    stopped,
    durationMs: Math.round(parts.clock.elapsedMilliseconds() - startedAt),
  };
}

async function findBehind(
  { directory, regions }: Parts,
  tenant: string | undefined,
): Promise<{ readonly total: number; readonly behind: DirectoryEntry[]; readonly target: number }> {
  const targets = await schemaTargets(regions);
  const target = Math.max(0, ...targets.values());
  if (tenant !== undefined) {
    const entry = await directory.find(tenant);
    if (!entry) throw fault("E_TENANT_NOT_FOUND", `There is no tenant "${tenant}".`);
    const isBehind = entry.schemaVersion < (targets.get(entry.region) ?? 0);
    return { total: 1, behind: isBehind ? [entry] : [], target };
  }
  const counts = await directory.countBySchemaVersion();
  const total = counts.filter(({ region }) => targets.has(region)).reduce((sum, row) => sum + row.tenants, 0);
  const isCurrent = ({ region, schemaVersion }: { region: string; schemaVersion: number }) =>
    schemaVersion >= (targets.get(region) ?? 0);
  if (counts.every(isCurrent)) return { total, behind: [], target };
  const lists = await Promise.all(
    [...targets].map(([region, newest]) => directory.listBehind(region, newest)),
  );
  return { total, behind: lists.flat(), target };
}

/** The newest schema version of each running region's release. @throws E_REGION_UNAVAILABLE, E_RELEASE_MISSING */
export async function schemaTargets(
  regions: ReadonlyMap<string, RegionControl>,
): Promise<ReadonlyMap<string, number>> {
  const entries = [...regions].map(
    async ([name, region]) => [name, (await region.schemaTarget()).version] as const,
  );
  return new Map(await Promise.all(entries));
}

/** One run while it goes on. */
class Run {
  applied = 0;
  /** Behind by the directory, and found up to date by their own ledgers. */
  confirmed = 0;
  readonly failed: { readonly slug: string; readonly error: ErrorJson }[] = [];
  readonly later: { readonly slug: string; readonly error: ErrorJson }[] = [];
  stopped: string | null = null;
  readonly #parts: Parts;
  readonly #options: MigrateOptions;
  readonly #total: number;

  constructor(parts: Parts, options: MigrateOptions, total: number) {
    this.#parts = parts;
    this.#options = options;
    this.#total = total;
  }

  async work(waves: readonly Wave[]): Promise<void> {
    const canaries = waves.filter((wave) => wave.isCanary);
    await traceStep("migrate-canaries", () => Promise.all(canaries.map((wave) => this.#workThrough(wave))));
    if (this.failed.length > 0 && canaries.length < waves.length) {
      this.stopped = "A canary failed.";
      return;
    }
    await traceStep("migrate-waves", () => this.#workThroughRegions(waves.filter((wave) => !wave.isCanary)));
  }

  async #workThroughRegions(waves: readonly Wave[]): Promise<void> {
    const regions = Map.groupBy(waves, (wave) => wave.region);
    await Promise.all(
      [...regions.values()].map(async (ofRegion) => {
        for (const wave of ofRegion) if (!this.#mustStop()) await this.#workThrough(wave);
      }),
    );
  }

  #mustStop(): boolean {
    if (this.#parts.signal?.aborted) this.stopped ??= "The run was cancelled.";
    if (this.failed.length > this.#options.maxFailures)
      this.stopped ??= `More than ${this.#options.maxFailures} tenants failed.`;
    return this.stopped !== null;
  }

  /** The tenants in use come again after the others. */
  async #workThrough(wave: Wave): Promise<void> {
    let slugs = wave.slugs;
    for (let round = 1; slugs.length > 0; round++) {
      const results = await this.#migrate(wave.region, slugs);
      const busy = results.flatMap((result) =>
        result.outcome === "later" ? [{ slug: result.slug, error: result.error }] : [],
      );
      this.#count(results);
      if (round === busyRounds || this.#mustStop()) this.later.push(...busy);
      this.#tell(wave);
      if (round === busyRounds || busy.length === 0 || this.stopped !== null) return;
      slugs = busy.map(({ slug }) => slug);
      await this.#parts.clock.sleep(busyPauseMilliseconds);
    }
  }

  /** A region that goes away fails its wave, and no other region's. */
  async #migrate(region: string, slugs: readonly string[]): Promise<readonly TenantMigration[]> {
    try {
      const control = this.#parts.regions.get(region);
      if (!control) throw fault("E_REGION_UNAVAILABLE");
      return await control.migrate({ slugs, concurrency: this.#options.concurrency });
    } catch (thrown) {
      const error = toRowhouseError(thrown).toJSON();
      return slugs.map((slug) => ({ slug, outcome: "failed", error }));
    }
  }

  #count(results: readonly TenantMigration[]): void {
    for (const result of results) {
      if (result.outcome === "applied") this.applied++;
      else if (result.outcome === "skipped") this.confirmed++;
      else if (result.outcome === "failed") this.failed.push({ slug: result.slug, error: result.error });
    }
  }

  #tell(wave: Wave): void {
    this.#parts.onProgress?.({
      done: this.applied + this.confirmed + this.failed.length + this.later.length,
      total: this.#total,
      failed: this.failed.length,
      message: `${wave.region}: ${wave.isCanary ? "canaries" : "a wave"} of ${wave.slugs.length}`,
    });
  }
}
