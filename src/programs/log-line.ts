/** Writes one JSON line to this process's log: to stderr, because the stdout of `up --json` holds its one document. */
export function logLine(entry: {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
}): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
}
