import { type SqlToken, tokenizeSql } from "../sql/tokens.ts";

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
  return statementsOf(sql).length;
}

/**
 * Whether a statement of the file would leave the tenant's owner: one connection migrates many tenants. A fence for
 * honest code, not a wall: a routine's body is not looked into.
 */
export function changesRole(sql: string): boolean {
  return statementsOf(sql).some((statement) => {
    const [verb = "", ...words] = statement.map(({ text }) => text.toLowerCase());
    if (verb === "discard") return true;
    if (verb !== "set" && verb !== "reset") return false;
    const scoped = words[0] === "local" || words[0] === "session" ? words.slice(1) : words;
    return ["role", "authorization", "session_authorization", "all"].includes(scoped[0] ?? "");
  });
}

/** First words of statements that would end the transaction that a file shares with its row in the ledger, or begin one. */
const transactionControl = new Set(["begin", "start", "commit", "rollback", "abort"]);

/** Whether the file begins or ends a transaction itself. */
export function controlsTransaction(sql: string): boolean {
  return statementsOf(sql).some(([first]) => first?.kind === "word" && transactionControl.has(first.text));
}

function statementsOf(sql: string): SqlToken[][] {
  const statements: SqlToken[][] = [[]];
  for (const token of tokenizeSql(sql)) {
    if (token.kind === "symbol" && token.text === ";") statements.push([]);
    else statements.at(-1)?.push(token);
  }
  return statements.filter((statement) => statement.length > 0);
}
