import { createWriteStream } from "node:fs";
import type { LogEntry } from "./log-line.ts";

/** A log in a file: for the supervisor, whose own output is read by a person. Writing never fails the writer. */
export function openLogFile(path: string): { log(entry: LogEntry): void; close(): Promise<void> } {
  const stream = createWriteStream(path, { flags: "a", mode: 0o600 });
  stream.on("error", () => {});
  return {
    log: (entry) => void stream.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`),
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}
