/** A lexical unit of SQL. Comments and white space are left out. */
export interface SqlToken {
  /**
   * `word`: a keyword or bare name, in lower case. `quoted`: a name in double quotes, as written. `string`: a plain
   * literal with its value. `opaque`: any other literal (`E''`, `U&''`, `U&""`, `$$…$$`), whose value is not worked out.
   */
  readonly kind: "word" | "quoted" | "string" | "opaque" | "symbol";
  readonly text: string;
}

const wordPattern = /[a-z_\u0080-\uffff][a-z0-9_$\u0080-\uffff]*/iy;
const dollarTagPattern = /\$(?:[a-z_\u0080-\uffff][a-z0-9_\u0080-\uffff]*)?\$/iy;
const plainStringPattern = /'(?:[^']|'')*(?:'|$)/y;
const escapeStringPattern = /'(?:[^'\\]|''|\\[\s\S])*(?:'|$)/y;
const quotedPattern = /"(?:[^"]|"")*(?:"|$)/y;
const lineCommentPattern = /--[^\n\r]*/y;
const digitsPattern = /\d+/y;

/**
 * Splits SQL as Postgres does with `standard_conforming_strings` on.
 * Source: PostgreSQL's documentation, "Lexical Structure", and src/backend/parser/scan.l.
 */
export function tokenizeSql(sql: string): SqlToken[] {
  const tokens: SqlToken[] = [];
  for (let at = 0; at < sql.length; ) {
    const comment = skipComment(sql, at);
    if (comment > at) {
      at = comment;
      continue;
    }
    const [token, end] = readToken(sql, at);
    if (token) tokens.push(token);
    at = end;
  }
  return tokens;
}

/** The end of the comment that starts at `at`, or `at`; block comments nest. */
function skipComment(sql: string, at: number): number {
  if (sql.startsWith("--", at)) return at + (match(lineCommentPattern, sql, at)?.length ?? 2);
  if (!sql.startsWith("/*", at)) return at;
  let depth = 1;
  let end = at + 2;
  while (depth > 0 && end < sql.length) {
    if (sql.startsWith("/*", end)) depth++;
    else if (sql.startsWith("*/", end)) depth--;
    else {
      end++;
      continue;
    }
    end += 2;
  }
  return end;
}

function readToken(sql: string, at: number): [SqlToken | undefined, number] {
  const character = sql.charAt(at);
  if (/\s/.test(character)) return [undefined, at + 1];
  const prefix = /^(?:[ebnx](?=')|u&(?=['"]))/i.exec(sql.slice(at, at + 3))?.[0];
  if (prefix !== undefined) return readPrefixed(sql, at, prefix);
  if (character === "'") {
    const literal = match(plainStringPattern, sql, at) ?? character;
    return [{ kind: "string", text: literal.slice(1, -1).replaceAll("''", "'") }, at + literal.length];
  }
  if (character === '"') {
    const name = match(quotedPattern, sql, at) ?? character;
    return [{ kind: "quoted", text: name.slice(1, -1).replaceAll('""', '"') }, at + name.length];
  }
  const tag = match(dollarTagPattern, sql, at);
  if (tag !== undefined) {
    const close = sql.indexOf(tag, at + tag.length);
    return [{ kind: "opaque", text: "$" }, close < 0 ? sql.length : close + tag.length];
  }
  const word = match(wordPattern, sql, at);
  if (word !== undefined) return [{ kind: "word", text: word.toLowerCase() }, at + word.length];
  const digits = match(digitsPattern, sql, at);
  return [{ kind: "symbol", text: digits ?? character }, at + (digits?.length ?? 1)];
}

/** A literal or name with a letter before its quote. */
function readPrefixed(sql: string, at: number, prefix: string): [SqlToken, number] {
  const start = at + prefix.length;
  if (sql.charAt(start) === '"') {
    const name = match(quotedPattern, sql, start) ?? '"';
    return [{ kind: "opaque", text: 'u&"' }, start + name.length];
  }
  const pattern = prefix.toLowerCase() === "e" ? escapeStringPattern : plainStringPattern;
  return [{ kind: "opaque", text: prefix.toLowerCase() }, start + (match(pattern, sql, start) ?? "'").length];
}

function match(pattern: RegExp, sql: string, at: number): string | undefined {
  pattern.lastIndex = at;
  return pattern.exec(sql)?.[0];
}
