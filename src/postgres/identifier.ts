/** Quotes a name for SQL: the one place where text becomes an identifier. */
export function quoteIdentifier(name: string): string {
  if (name.length === 0 || Buffer.byteLength(name) > 63 || name.includes("\0")) {
    throw new RangeError(`Not a Postgres identifier: ${JSON.stringify(name)}`);
  }
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes text for the few statements that take no parameters (passwords and settings of roles). */
export function quoteLiteral(text: string): string {
  if (text.includes("\0")) throw new RangeError("A Postgres literal can't hold a zero byte");
  const escaped = text.replaceAll("'", "''");
  return escaped.includes("\\") ? `E'${escaped.replaceAll("\\", "\\\\")}'` : `'${escaped}'`;
}
