import { printable } from "../output.ts";

/** One line of a log. */
export interface LogEntry {
  /** ISO 8601. A line that tells no time has the one of the line before it. */
  readonly time: string;
  /** The process that wrote it: the file's name. */
  readonly source: string;
  readonly message: string;
  /** Whatever else a structured line says, as `level`, `tenant`, `instance`. */
  readonly [field: string]: unknown;
}

/** Reads a line: JSON with a `time`, or any other text. */
export function parseLogLine(line: string, source: string, previousTime: string): LogEntry {
  const fields = parseObject(line);
  const time = typeof fields?.time === "string" ? new Date(fields.time) : undefined;
  if (!fields || !time || Number.isNaN(time.getTime())) return { time: previousTime, source, message: line };
  const message = typeof fields.message === "string" ? fields.message : "";
  return { ...fields, time: time.toISOString(), source, message };
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    // The last line of a process that was killed while it wrote, for one.
    return undefined;
  }
}

/** The entry as one line for people. */
export function formatLogEntry({ time, source, level, tenant, message, ...rest }: LogEntry): string {
  const fields = Object.entries(rest).map(
    ([name, value]) =>
      `${name}=${typeof value === "string" && /^[^\s"=\p{Cc}]+$/u.test(value) ? value : JSON.stringify(value)}`,
  );
  const words = [
    time,
    source,
    level,
    typeof tenant === "string" ? `[${tenant}]` : undefined,
    message,
    ...fields,
  ];
  return printable(words.filter((word) => word !== undefined && word !== "").join(" "));
}
