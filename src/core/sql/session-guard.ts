import { type SqlToken, tokenizeSql } from "./tokens.ts";

/** What a statement would do to a session that serves many tenants one after the other. */
export interface SessionEffect {
  /** Why the statement must not run there, in words that follow "The statement "; absent when it may. */
  readonly refusal?: string;
  /** It may leave something behind (a setting, a lock, a subscription) that the next tenant must not meet. */
  readonly leavesState: boolean;
  /**
   * One query or change of rows: what can share its implicit transaction with a change of session. A ROLLBACK, for
   * one, would silently take that change back.
   */
  readonly isPlain: boolean;
}

/** Settings that are the tenant's identity, or that change how SQL is read, so that this reading could be fooled. */
const guardedSettings = new Set([
  "role",
  "session_authorization",
  "search_path",
  "schema",
  "names",
  "client_encoding",
  "standard_conforming_strings",
]);

const plainCommands = new Set(["select", "insert", "update", "delete", "merge", "with", "values", "table"]);

/** Functions that run SQL from a string, where nothing can be seen of it. */
const runsText =
  /^(?:query_to_xml|query_to_xmlschema|query_to_xml_and_xmlschema|ts_stat|ts_rewrite|dblink\w*|crosstab\w*|connectby|xpath_table)$/;

/** What outlives a statement and its transaction. */
const leavesBehind =
  /^(?:listen|prepare|deallocate|declare|temp|temporary|pg_temp|pg_advisory_lock|pg_advisory_lock_shared|pg_try_advisory_lock|pg_try_advisory_lock_shared|set_config)$/;

/**
 * Reads a statement for a connection whose role and search path belong to the tenant that it serves just now.
 * It is a fence for honest code and plain injection, not a wall: only a login of the tenant's own is that.
 */
export function readSessionEffect(sql: string): SessionEffect {
  const statements = splitStatements(tokenizeSql(sql));
  let refusal: string | undefined = sql.includes("\0") ? "holds a zero byte" : undefined;
  let leavesState = false;
  for (const tokens of statements) {
    refusal ??= refusalOf(tokens);
    leavesState ||=
      tokens[0]?.text === "set" ||
      tokens[0]?.text === "reset" ||
      tokens.some(({ text }) => leavesBehind.test(text));
  }
  const isPlain = statements.length === 1 && plainCommands.has(statements[0]?.[0]?.text ?? "");
  return { ...(refusal === undefined ? {} : { refusal }), leavesState, isPlain };
}

function splitStatements(tokens: readonly SqlToken[]): SqlToken[][] {
  const statements: SqlToken[][] = [[]];
  for (const token of tokens) {
    if (token.kind === "symbol" && token.text === ";") statements.push([]);
    else statements.at(-1)?.push(token);
  }
  return statements.filter((statement) => statement.length > 0);
}

function refusalOf(tokens: readonly SqlToken[]): string | undefined {
  return refusalOfCommand(tokens) ?? refusalOfNames(tokens);
}

/** By the statement's first words. `UPDATE … SET role = …` is an ordinary column and passes. */
function refusalOfCommand(tokens: readonly SqlToken[]): string | undefined {
  const [first, ...rest] = tokens;
  if (first?.kind !== "word") return undefined;
  const words = new Set(tokens.filter((token) => token.kind === "word").map((token) => token.text));
  switch (first.text) {
    case "set":
    case "reset":
      return refusalOfSetting(first.text, rest);
    case "discard":
      return rest[0]?.text === "all" ? "discards the session" : undefined;
    case "do":
    case "load":
      return `is a ${first.text.toUpperCase()}`;
    case "create":
    case "alter":
      if (words.has("function") || words.has("procedure") || words.has("routine"))
        return "makes or changes a routine";
      return first.text === "alter" && (words.has("role") || words.has("user"))
        ? "changes a role"
        : undefined;
    default:
      return undefined;
  }
}

function refusalOfSetting(verb: "set" | "reset", rest: readonly SqlToken[]): string | undefined {
  const scoped = rest[0]?.text === "session" || rest[0]?.text === "local" ? 1 : 0;
  // Names of settings are compared without case, quoted or not.
  const names = rest.slice(0, scoped + 2).map(({ text }) => text.toLowerCase());
  const name = names[scoped] ?? names[0] ?? "";
  if (names.includes("authorization") || (verb === "reset" && (name === "all" || name === "session"))) {
    return "changes the session's authorization";
  }
  return guardedSettings.has(name) ? `changes ${name}` : undefined;
}

/** By the names that occur anywhere in it. */
function refusalOfNames(tokens: readonly SqlToken[]): string | undefined {
  for (const [index, { kind, text }] of tokens.entries()) {
    if (kind === "opaque" && text === 'u&"') return "has a name in Unicode escapes";
    if (kind !== "word" && kind !== "quoted") continue;
    if (runsText.test(text)) return `calls ${text}, which runs SQL from a string`;
    if (text === "set_config" && !setsOtherSetting(tokens, index))
      return "calls set_config on a guarded setting";
    // The view has a rule that turns an update into set_config.
    if (text === "pg_settings" && tokens.some((token) => token.kind === "word" && token.text === "update")) {
      return "updates pg_settings";
    }
  }
  return undefined;
}

/** True for `set_config('name', …` with a plain literal that names no guarded setting. */
function setsOtherSetting(tokens: readonly SqlToken[], index: number): boolean {
  const [open, name, comma] = tokens.slice(index + 1, index + 4);
  if (open?.text !== "(" || name?.kind !== "string" || comma?.text !== ",") return false;
  return !guardedSettings.has(name.text.toLowerCase());
}
