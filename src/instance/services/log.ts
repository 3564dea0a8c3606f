import type { Clock } from "../../ports/clock.ts";
import type { TenantLog } from "../tenant.ts";

/** Who runs: the same for everything in a process. */
export interface InstanceIdentity {
  readonly instanceId: string;
  readonly zone: string;
  readonly region: string;
  readonly release: string;
}

/** Where lines go; each ends in a line break. */
export type LogSink = (line: string) => void;

type Fields = Readonly<Record<string, unknown>>;
type Level = "debug" | "info" | "warn" | "error";

/** Writes one JSON object a line; `tenant` is absent from what the instance says for itself. */
export function createLog(options: {
  readonly identity: InstanceIdentity;
  readonly clock: Clock;
  readonly sink: LogSink;
  readonly tenant?: string;
}): TenantLog {
  const { identity, clock, sink, tenant } = options;
  const write = (level: Level, message: string, fields: Fields | undefined) => {
    const entry = {
      level,
      time: clock.now().toISOString(),
      tenant,
      instance: identity.instanceId,
      message,
      fields,
    };
    sink(`${toJson(entry)}\n`);
  };
  return {
    debug: (message, fields) => write("debug", message, fields),
    info: (message, fields) => write("info", message, fields),
    warn: (message, fields) => write("warn", message, fields),
    error: (message, fields) => write("error", message, fields),
  };
}

/** A log line must not be what fails: what JSON can't hold is told as text. */
function toJson(entry: { readonly fields: Fields | undefined }): string {
  try {
    return JSON.stringify(entry, replacer);
  } catch {
    return JSON.stringify({ ...entry, fields: { unreadable: Object.keys(entry.fields ?? {}) } });
  }
}

function replacer(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (!(value instanceof Error)) return value;
  const { name, message, stack, cause } = value;
  const { code } = value as { code?: unknown };
  return { name, message, code, stack, cause };
}
