import type { UpProgress } from "../../control/up.ts";

/** Gives each event as a line that begins with the seconds since the start. */
export function timedLines(): (event: UpProgress) => string {
  const startedAt = performance.now();
  return ({ at, message }) =>
    `${((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)} s  ${at.padEnd(9)}  ${message}`;
}

/** The event as a line of a log file. */
export function logLine({ at, message }: UpProgress): string {
  return JSON.stringify({ time: new Date().toISOString(), level: "info", at, message });
}
