import { mayServe, type RegionStates } from "../../control/recovery/region-states.ts";
import { toRowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Fleets } from "../../ports/fleets.ts";
import type { LogEntry } from "../log-line.ts";

const pollMilliseconds = 5000;

interface Parts {
  readonly region: string;
  readonly states: Pick<RegionStates, "find">;
  readonly fleets: Pick<Fleets, "list" | "terminate">;
  readonly clock: Clock;
  readonly log: (entry: LogEntry) => void;
}

/**
 * Resolves when the region may serve. While the directory says that it has failed over, its servers are ended, whoever
 * left them; while the directory can't be asked, those that serve go on, and a region without any waits.
 */
export async function untilMayServe(parts: Parts): Promise<void> {
  const { region, states, clock, log } = parts;
  for (let last = ""; ; await clock.sleep(pollMilliseconds)) {
    const word = await states.find(region).then(
      ({ state }) => state,
      (error: unknown) => toRowhouseError(error),
    );
    if (typeof word === "string" && mayServe(word)) return;
    if (typeof word !== "string" && (await serversOf(parts)).length > 0) return;
    const message = typeof word === "string" ? "the region has failed over, and serves nobody" : word.message;
    if (message !== last) log({ level: "warn", message });
    last = message;
    if (typeof word === "string") await serveNobody(parts);
  }
}

/** Ends all servers that tenants' requests and jobs reach, without time for what they are at. */
export async function serveNobody(parts: Pick<Parts, "fleets">): Promise<void> {
  const servers = await serversOf(parts);
  await Promise.all(servers.map(({ id }) => parts.fleets.terminate(id, { graceSeconds: 0 })));
}

async function serversOf({ fleets }: Pick<Parts, "fleets">) {
  return (await fleets.list()).filter(({ state }) => state === "pending" || state === "running");
}
