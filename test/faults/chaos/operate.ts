import { setTimeout as pause } from "node:timers/promises";
import type { LoadFigures } from "./load.ts";
import type { World } from "./world.ts";

/** What actions work with. */
export interface Stage {
  readonly world: World;
  readonly figures: LoadFigures;
  /** Who starts the supervisor again goes alone. */
  readonly supervisor: { tail: Promise<unknown> };
}

/** What a command came to, as its operator sees it. */
export interface Operation<T> {
  readonly ok: boolean;
  /** The document, when it is done. */
  readonly document?: T;
  /** The error's code, when it is not. */
  readonly code: string;
  readonly message: string;
  /** When it was called, and when it returned. */
  readonly from: number;
  readonly to: number;
}

/** What may come of a command while parts of the system are killed: it was not done, or nobody knows. */
const passing = new Set([
  "E_NOT_RUNNING",
  "E_STATE_LOCKED",
  "E_REGION_UNAVAILABLE",
  "E_DATABASE_UNAVAILABLE",
  "E_STANDBY_BEHIND",
  "E_TENANT_BUSY",
  "E_TENANT_STATE",
  "E_TENANT_NOT_FOUND",
  "E_CONFLICT",
]);

/** Runs a command as an operator does. A fault that passes is an outcome like any other; every other one is thrown. */
export async function operate<T>(world: World, ...args: string[]): Promise<Operation<T>> {
  const from = world.now();
  const result = await world.system.cli(...args, "--json");
  const to = world.now();
  const document = parse<T & { error?: { code: string; message: string } }>(result.stdout);
  // A run that left some tenants out tells so in its document.
  if (document && !document.error)
    return { ok: result.code === 0, document, code: `exit ${result.code}`, message: result.stderr, from, to };
  const { code, message } = document?.error ?? { code: `exit ${result.code}`, message: result.stderr };
  if (!passing.has(code)) throw new Error(`rowhouse ${args.join(" ")}: ${message} [${code}]`);
  return { ok: false, code, message, from, to };
}

function parse<T>(stdout: string): T | undefined {
  try {
    return JSON.parse(stdout) as T;
  } catch {
    return undefined;
  }
}

/** Repeats until it gives something, for as long as a person would. */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  seconds = 90,
): Promise<T> {
  let last: unknown;
  for (const deadline = performance.now() + seconds * 1000; performance.now() < deadline; await pause(250)) {
    const found = await look().catch((error: unknown) => {
      last = error;
      return undefined;
    });
    if (found) return found;
  }
  throw new Error(`${what}: not within ${seconds} s. ${last instanceof Error ? last.message : ""}`);
}

/** Runs `work` while nobody else ends or starts the supervisor. */
export function alone<T>({ supervisor }: Stage, work: () => Promise<T>): Promise<T> {
  const result = supervisor.tail.then(work);
  supervisor.tail = result.catch(() => {});
  return result;
}

/** `up`, on whatever is left of the system. */
export async function bringUp({ world }: Stage): Promise<void> {
  await until("rowhouse up", async () => {
    const port = String(world.system.basePort);
    const { ok, code, message } = await operate(world, "up", "--detach", "--port", port);
    if (ok || code === "E_STATE_LOCKED") return true;
    throw new Error(message);
  });
}
