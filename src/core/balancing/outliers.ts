/** How long a target takes to begin its answers, as a moving mean of logarithms. */
export interface LatencyEstimate {
  readonly logMean: number;
  readonly samples: number;
}

export const noLatency: LatencyEstimate = { logMean: 0, samples: 0 };

/** The newest answer weighs this much once there are enough; before, all weigh the same. */
const weight = 1 / 16;

/**
 * The estimate after one more answer. The mean is taken of logarithms, so that one long request among many short
 * ones moves it little, and a target that is slow throughout moves it fully. (Finagle's peak EWMA shares the moving
 * mean and reacts to a single slow answer at once, which would eject whoever got the long listing.)
 */
export function recordLatency(estimate: LatencyEstimate, milliseconds: number): LatencyEstimate {
  const samples = estimate.samples + 1;
  const share = Math.max(weight, 1 / samples);
  const logarithm = Math.log(Math.max(milliseconds, 0.1));
  return { logMean: estimate.logMean + (logarithm - estimate.logMean) * share, samples };
}

/** The typical latency in milliseconds. */
export function typicalMilliseconds(estimate: LatencyEstimate): number {
  return Math.exp(estimate.logMean);
}

/** What ejection needs to know of a healthy target. */
export interface Suspect {
  readonly id: string;
  readonly latency: LatencyEstimate;
  /** Connections in a row that broke before an answer began. */
  readonly consecutiveFaults: number;
  /** End of its present ejection, on the clock of `now`. */
  readonly ejectedUntil: number;
  /** How often in a row it was ejected. */
  readonly ejections: number;
}

export interface Ejection {
  readonly id: string;
  readonly until: number;
  readonly reason: string;
}

/** Envoy's defaults where they fit: 5 consecutive faults, time × number of ejections. */
const faultsToEject = 5;
const baseEjectionMilliseconds = 10_000;
const longestEjectionMilliseconds = 60_000;
/** Too few answers say nothing. */
const samplesToJudge = 10;
/** A target is slow when it is both this many times and this much slower than the others' median. */
const slowRatio = 4;
const slowExcessMilliseconds = 100;

/**
 * Which of the healthy targets take no requests for a while: those whose connections break, then the slowest. At
 * most half of them are out at any time, so never the last; each returns when its time is over.
 * Source: Envoy, "Outlier detection" (consecutive local origin failures, ejection time, max_ejection_percent).
 */
export function decideEjections(healthy: readonly Suspect[], now: number): Ejection[] {
  const present = healthy.filter((suspect) => suspect.ejectedUntil <= now);
  const allowed = Math.floor(healthy.length / 2) - (healthy.length - present.length);
  const broken = present
    .filter((suspect) => suspect.consecutiveFaults >= faultsToEject)
    .map((suspect) => eject(suspect, now, `${suspect.consecutiveFaults} connections in a row broke`));
  const slow = present
    .filter((suspect) => suspect.consecutiveFaults < faultsToEject)
    .map((suspect) => ({ suspect, others: othersMilliseconds(present, suspect) }))
    .filter(({ suspect, others }) => isSlow(suspect, others))
    .sort((a, b) => b.suspect.latency.logMean - a.suspect.latency.logMean)
    .map(({ suspect, others }) => eject(suspect, now, describeSlowness(suspect, others)));
  return [...broken, ...slow].slice(0, Math.max(0, allowed));
}

function eject(suspect: Suspect, now: number, reason: string): Ejection {
  const time = baseEjectionMilliseconds * (suspect.ejections + 1);
  return { id: suspect.id, until: now + Math.min(time, longestEjectionMilliseconds), reason };
}

/** The median of the other targets that can be judged. */
function othersMilliseconds(present: readonly Suspect[], suspect: Suspect): number | undefined {
  const others = present
    .filter((other) => other !== suspect && other.latency.samples >= samplesToJudge)
    .map((other) => typicalMilliseconds(other.latency))
    .sort((a, b) => a - b);
  return others[Math.floor((others.length - 1) / 2)];
}

function isSlow(suspect: Suspect, others: number | undefined): boolean {
  if (others === undefined || suspect.latency.samples < samplesToJudge) return false;
  const own = typicalMilliseconds(suspect.latency);
  return own > others * slowRatio && own > others + slowExcessMilliseconds;
}

function describeSlowness(suspect: Suspect, others: number | undefined): string {
  const own = Math.round(typicalMilliseconds(suspect.latency));
  return `answers take ${own} ms, those of the others ${Math.round(others ?? 0)} ms`;
}
