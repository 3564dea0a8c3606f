import { type ErrorCode, errorCatalog } from "./error-catalog.ts";

/** The JSON shape of an error on the CLI and inside a problem document. */
export interface ErrorJson {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
}

/** The base of all errors that Rowhouse throws on purpose: a stable code, and a message that ends in the remedy. */
export class RowhouseError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly remedy: string;
  /** The message without its remedy. */
  readonly reason: string;

  constructor(code: ErrorCode, reason: string, options: ErrorOptions & { remedy?: string } = {}) {
    const entry = errorCatalog[code];
    const remedy = options.remedy ?? entry.remedy;
    super(`${reason} ${remedy}`, options);
    this.name = new.target.name;
    this.code = code;
    this.status = entry.status;
    this.reason = reason;
    this.remedy = remedy;
  }

  toJSON(): ErrorJson {
    return { code: this.code, message: this.message, remedy: this.remedy };
  }
}

/** The caller's input is at fault: exit code 2, HTTP 4xx. */
export class UserError extends RowhouseError {}

/** The system is at fault: exit code 1, HTTP 5xx. */
class SystemError extends RowhouseError {}

/** Makes the error of the class that the code's kind asks for. `reason` is one full sentence without the remedy. */
export function fault(
  code: ErrorCode,
  reason: string = errorCatalog[code].reason,
  options: ErrorOptions & { remedy?: string } = {},
): RowhouseError {
  return errorCatalog[code].kind === "user"
    ? new UserError(code, reason, options)
    : new SystemError(code, reason, options);
}

/** Turns whatever was thrown into a RowhouseError, so that every boundary answers in one shape. */
export function toRowhouseError(thrown: unknown): RowhouseError {
  if (thrown instanceof RowhouseError) return thrown;
  if (isNoSpace(thrown)) return fault("E_DISK_FULL", undefined, { cause: thrown });
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return fault("E_INTERNAL", `${message.replace(/[.\s]*$/, "")}.`, { cause: thrown });
}

/** Rebuilds an error that crossed a process boundary as JSON; an unknown code becomes E_INTERNAL. */
export function fromErrorJson(json: { code?: unknown; message?: unknown; remedy?: unknown }): RowhouseError {
  const message = typeof json.message === "string" ? json.message : "Something failed.";
  if (typeof json.code !== "string" || !(json.code in errorCatalog)) return fault("E_INTERNAL", message);
  const remedy = typeof json.remedy === "string" ? json.remedy : errorCatalog[json.code as ErrorCode].remedy;
  const reason = message.endsWith(remedy) ? message.slice(0, -remedy.length).trimEnd() : message;
  return fault(json.code as ErrorCode, reason, { remedy });
}

/** ENOSPC of the file system, and Postgres's 53100 disk_full, mean the same to the reader. */
function isNoSpace(thrown: unknown): boolean {
  const code = (thrown as { code?: unknown } | null)?.code;
  return code === "ENOSPC" || code === "53100";
}
