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

/** Runs a command as an operator does. A fault of the system is an outcome like any other. */
export async function operate<T>(world: World, ...args: string[]): Promise<Operation<T>> {
  const from = world.now();
  const result = await world.system.cli(...args, "--json");
  const to = world.now();
  if (result.code === 0) return { ok: true, document: result.json<T>(), code: "", message: "", from, to };
  const { code, message } = errorOf(result.stdout) ?? { code: `exit ${result.code}`, message: result.stderr };
  return { ok: false, code, message, from, to };
}

function errorOf(stdout: string): { code: string; message: string } | undefined {
  try {
    return (JSON.parse(stdout) as { error?: { code: string; message: string } }).error;
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
