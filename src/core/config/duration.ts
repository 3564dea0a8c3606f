const seconds = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400 } as const;

/** The seconds of a config's duration, as in `"30d"`; the schema has checked its form. */
export function durationSeconds(duration: string): number {
  const [, count = "", unit = "s"] = /^(\d+)(ms|s|m|h|d)$/.exec(duration) ?? [];
  return Number(count) * seconds[unit as keyof typeof seconds];
}
