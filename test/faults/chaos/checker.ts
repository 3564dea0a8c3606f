import type { Expectation } from "./ledger.ts";

/** A row as the tenant shows it. */
export interface Row {
  readonly id: number;
  readonly title: string;
  readonly author: string;
}

export interface Mismatch {
  readonly slug: string;
  readonly problem: "lost" | "doubled" | "unexpected" | "foreign" | "unknown" | "altered";
  readonly title: string;
  readonly detail: string;
}

/** Titles that chaos writes name their tenant; all others are the application's own. */
export const titleOf = (slug: string, number: number): string => `chaos/${slug}/${number}`;
/** Who is said to have written it: the title again, so that a row that was torn apart is seen. */
export const authorOf = (title: string): string => `author of ${title}`;

/**
 * Compares all rows of a tenant with all that is known of its writes, exactly. `slug` is the tenant; `writer` the one
 * whose titles it has, when it is a copy of another.
 */
export function check(tenant: {
  readonly slug: string;
  readonly writer?: string;
  readonly expectations: readonly Expectation[];
  readonly rows: readonly Row[];
}): Mismatch[] {
  const { slug, rows, expectations } = tenant;
  const found = Map.groupBy(rows, ({ title }) => title);
  const known = new Set(expectations.map(({ title }) => title));
  const mismatch = (problem: Mismatch["problem"], title: string, detail: string): Mismatch => ({
    slug,
    problem,
    title,
    detail,
  });
  return [
    ...expectations.flatMap((expectation) =>
      compare(expectation, found.get(expectation.title) ?? []).map(([problem, detail]) =>
        mismatch(problem, expectation.title, detail),
      ),
    ),
    ...[...found.keys()]
      .filter((title) => !known.has(title))
      .map((title) =>
        title.startsWith("chaos/") && !title.startsWith(`chaos/${tenant.writer ?? slug}/`)
          ? mismatch("foreign", title, "another tenant's row")
          : mismatch("unknown", title, "nobody wrote it"),
      ),
  ];
}

function compare(
  { expected, title, id }: Expectation,
  found: readonly Row[],
): (readonly [Mismatch["problem"], string])[] {
  const [row] = found;
  if (!row) return expected === "present" ? [["lost", "acknowledged, and not there"]] : [];
  if (found.length > 1)
    return [["doubled", `there ${found.length} times: ids ${found.map((one) => one.id)}`]];
  if (expected === "absent") return [["unexpected", `there as id ${row.id}, and should not be`]];
  if (id !== undefined && row.id !== id) return [["altered", `acknowledged as id ${id}, and is ${row.id}`]];
  if (title.startsWith("chaos/") && row.author !== authorOf(title))
    return [["altered", `its author is ${JSON.stringify(row.author)}`]];
  return [];
}
