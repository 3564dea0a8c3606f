import { tokenizeSql } from "../sql/tokens.ts";

/** Alone on a line before the first statement, as a comment. */
const marker = /^[ \t]*--[ \t]*rowhouse:[ \t]*no-transaction[ \t]*$/m;

/**
 * Whether the file is to run outside a transaction, as `CREATE INDEX CONCURRENTLY` must: it says so by the comment
 * `-- rowhouse: no-transaction`.
 */
export function runsOutsideTransaction(sql: string): boolean {
  return marker.test(sql);
}

/** How many statements the file has. */
export function countStatements(sql: string): number {
  let count = 0;
  let isOpen = false;
  for (const token of tokenizeSql(sql)) {
    const ends = token.kind === "symbol" && token.text === ";";
    if (!ends && !isOpen) count++;
    isOpen = !ends;
  }
  return count;
}
