import { flushCompileCache } from "node:module";
import { toRowhouseError } from "../core/error.ts";

/**
 * Starts a program and stops it in order at SIGTERM or SIGINT. What fails is told in the program's log as one JSON
 * line, and the process ends with exit code 1: whoever watches it starts it again.
 */
export async function runUntilSignal(start: () => Promise<() => Promise<void>>): Promise<void> {
  process.on("uncaughtException", (error) => fail(error));
  let stop: (() => Promise<void>) | undefined;
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    (stop?.() ?? Promise.resolve()).then(() => process.exit(0), fail);
  };
  process.on("SIGTERM", end).on("SIGINT", end);
  try {
    stop = await start();
    // Node does so at the end only, and many an end here is a kill: whoever starts next would compile everything again.
    flushCompileCache();
  } catch (error) {
    fail(error);
  }
}

function fail(thrown: unknown): never {
  const error = toRowhouseError(thrown);
  const cause = error.cause instanceof Error ? error.cause.stack : error.stack;
  const entry = {
    time: new Date().toISOString(),
    level: "error",
    code: error.code,
    message: error.message,
    cause,
  };
  process.stderr.write(`${JSON.stringify(entry)}\n`);
  process.exit(1);
}
