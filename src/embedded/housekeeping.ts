import { faultEntry } from "../core/fault-entry.ts";
import type { Clock } from "../ports/clock.ts";
import type { OutboxMail } from "../postgres/mail/outbox-mail.ts";
import type { PostgresCache } from "./cache.ts";
import type { FileObjects } from "./objects.ts";

type Log = (entry: { readonly level: "error"; readonly message: string }) => void;

const dayMilliseconds = 24 * 60 * 60 * 1000;

/** What managed services do by themselves, and a region's engines need done by one process now and then. */
export function startHousekeeping(
  engines: {
    readonly clock: Clock;
    readonly cache: PostgresCache;
    readonly mail: OutboxMail;
    readonly objects: FileObjects;
  },
  log: Log,
): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const { clock, cache, mail, objects } = engines;
  const repeat = async (work: () => Promise<unknown>, pauseMilliseconds: number): Promise<void> => {
    while (!stopping.signal.aborted) {
      await work().catch((error: unknown) => log(faultEntry(error)));
      await clock.sleep(pauseMilliseconds, stopping.signal).catch(() => {});
    }
  };
  const chores = [
    repeat(() => mail.deliverQueued(), 30_000),
    repeat(() => cache.sweep(), 60_000),
    repeat(() => objects.sweep(), dayMilliseconds),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(chores);
    },
  };
}
