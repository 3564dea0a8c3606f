import type { CliContext } from "../context.ts";

const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** One Ctrl-C may arrive up to three times: from the terminal, from npm and from bin/rowhouse. */
const sameRequestMilliseconds = 1000;

/** The user's wish to stop, as an abort signal. */
export interface StopSignals extends Disposable {
  readonly signal: AbortSignal;
}

/** Listens until disposed. `onRequest` is told of the first request, and of each later one with `again`. */
export function listenForStop(
  signals: CliContext["signals"],
  onRequest: (request: { readonly again: boolean }) => void,
): StopSignals {
  const controller = new AbortController();
  let lastAt = Number.NEGATIVE_INFINITY;
  const listener = () => {
    const now = performance.now();
    if (now - lastAt < sameRequestMilliseconds) return;
    lastAt = now;
    onRequest({ again: controller.signal.aborted });
    controller.abort();
  };
  for (const name of names) signals.on(name, listener);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of names) signals.off(name, listener);
    },
  };
}
