/** One measured figure beside what it is held to. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** At most this; absent for what is only shown for comparison. */
  readonly limit?: number;
  /** Value over limit: below 1 is within. */
  readonly ratio?: number;
}

/** `scale` divides the raw value into the unit. */
export function figure(of: {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly limit?: number;
  readonly scale?: number;
}): Figure {
  const value = of.value / (of.scale ?? 1);
  const { name, unit, limit } = of;
  return limit === undefined ? { name, value, unit } : { name, value, unit, limit, ratio: value / limit };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low = Number.NaN, high = Number.NaN] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** A Markdown table of figures. */
export function figureTable(figures: readonly Figure[]): string {
  const round = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(2));
  const rows = figures.map(({ name, value, unit, limit, ratio }) => {
    const cells = [name, `${round(value)} ${unit}`, limit === undefined ? "" : `${limit} ${unit}`];
    return `| ${[...cells, ratio === undefined ? "" : ratio.toFixed(2)].join(" | ")} |`;
  });
  return ["| figure | measured | limit | ratio |", "|---|---|---|---|", ...rows, ""].join("\n");
}
