/** Writes one JSON line to this process's log. */
export function logLine(entry: {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
}): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
}
