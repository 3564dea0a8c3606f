import { toRowhouseError } from "./error.ts";

/** A line of a program's log about a fault. */
export interface FaultEntry {
  readonly level: "error";
  readonly message: string;
  /** Where it came from, of a fault that nobody foresaw. */
  readonly stack?: string;
}

/** What the log gets to know of whatever was thrown; `what` says what it was that failed. */
export function faultEntry(thrown: unknown, what?: string): FaultEntry {
  const error = toRowhouseError(thrown);
  const message = what === undefined ? error.message : `${what}: ${error.message}`;
  const cause = error.code === "E_INTERNAL" ? error.cause : undefined;
  return {
    level: "error",
    message,
    ...(cause instanceof Error && cause.stack !== undefined ? { stack: cause.stack } : {}),
  };
}
