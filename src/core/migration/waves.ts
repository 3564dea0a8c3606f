/** A tenant as a run of migrations sees it. */
export interface MigrationCandidate {
  readonly slug: string;
  readonly region: string;
  readonly isolation: string;
  /** Number of the newest migration that it has, by the directory. */
  readonly schemaVersion: number;
}

export interface WaveOptions {
  /** How many tenants go first and alone. */
  readonly canaries: number;
  /** How many are worked on at the same time; a wave is some times as large. */
  readonly concurrency: number;
}

/** Tenants of one region that are migrated together; the next wave begins when all of this one are through. */
export interface Wave {
  readonly isCanary: boolean;
  readonly region: string;
  readonly slugs: readonly string[];
}

/** Large enough that its slowest tenant costs little, small enough that an error budget stops soon. */
const rounds = 16;

/**
 * Who is migrated after whom: canaries first, each of another region and isolation as far as there are such, so that
 * one wave has seen every kind; then region by region in waves.
 */
export function planWaves(candidates: readonly MigrationCandidate[], options: WaveOptions): Wave[] {
  const canaries = chooseCanaries(candidates, options.canaries);
  const chosen = new Set(canaries);
  const rest = candidates.filter((candidate) => !chosen.has(candidate));
  const size = options.concurrency * rounds;
  return [
    ...byRegion(canaries).map(([region, slugs]) => ({ isCanary: true, region, slugs })),
    ...byRegion(rest).flatMap(([region, slugs]) =>
      Array.from({ length: Math.ceil(slugs.length / size) }, (_, index) => ({
        isCanary: false,
        region,
        slugs: slugs.slice(index * size, (index + 1) * size),
      })),
    ),
  ];
}

function chooseCanaries(candidates: readonly MigrationCandidate[], count: number): MigrationCandidate[] {
  const kinds = new Map<string, MigrationCandidate[]>();
  for (const candidate of candidates) {
    const kind = `${candidate.region} ${candidate.isolation}`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), candidate]);
  }
  const queues = [...kinds.values()];
  const chosen: MigrationCandidate[] = [];
  for (let index = 0; chosen.length < Math.min(count, candidates.length); index++) {
    const candidate = queues[index % queues.length]?.shift();
    if (candidate) chosen.push(candidate);
  }
  return chosen;
}

function byRegion(candidates: readonly MigrationCandidate[]): [string, string[]][] {
  const regions = new Map<string, string[]>();
  for (const { region, slug } of candidates) regions.set(region, [...(regions.get(region) ?? []), slug]);
  return [...regions];
}
