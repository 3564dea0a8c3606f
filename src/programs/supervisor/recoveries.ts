import { setTimeout as sleep } from "node:timers/promises";
import { Recoveries } from "../../control/recovery/recoveries.ts";
import { RegionStates } from "../../control/recovery/region-states.ts";
import { redirectRegion } from "../../control/signup/address.ts";
import { toRowhouseError } from "../../core/error.ts";
import { faultEntry } from "../../core/fault-entry.ts";
import { createDns } from "../../embedded/dns.ts";
import type { ProcessTable } from "../../embedded/processes.ts";
import { fenceRegion } from "../../embedded/stacks/fence.ts";
import { resetRegion } from "../../embedded/stacks/reset.ts";
import type { StateFolder } from "../../embedded/state-folder.ts";
import { createSystemClock } from "../../node/clock.ts";
import type { StackProgress } from "../../ports/stacks.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import type { LogEntry } from "../log-line.ts";
import type { LiveSettings } from "./live-settings.ts";
import type { RegionSet } from "./region-set.ts";

const pollMilliseconds = 50;
const patienceMilliseconds = 120_000;

/** Failovers and ways back of this machine's regions, and the directory's word on them. */
export function superviseRecoveries(parts: {
  readonly folder: StateFolder;
  readonly processes: ProcessTable;
  readonly settings: LiveSettings;
  readonly regions: RegionSet;
  readonly directoryPool: WriterPool;
  readonly log: (entry: LogEntry) => void;
}): Recoveries {
  const { folder, processes, settings, regions, directoryPool, log } = parts;
  const clock = createSystemClock();
  const states = new RegionStates(directoryPool);
  const config = () => settings.current.config;
  return new Recoveries({
    states,
    clock,
    config,
    control: (region) => regions.control(region),
    fence: async (region, onProgress) => {
      regions.fenceOff(region);
      await regions.stacks.release(region);
      return fenceRegion({ folder, processes, clock }, region, onProgress);
    },
    start: async (region, onProgress) => {
      await beginStart(regions, region, onProgress, log);
      await regions.prepare(region, AbortSignal.timeout(patienceMilliseconds));
    },
    untilReady: (region) => untilServing(regions, region),
    reset: async (region, slugs, onProgress) => {
      await resetRegion({ folder, processes }, region, slugs);
      onProgress(`what ${region} had is removed`);
    },
    redirect: async (region, successor) => {
      const { balancer } = await regions.control(successor).status();
      const dns = createDns({ pool: directoryPool, zone: config().domain });
      await redirectRegion({ config: config(), dns }, region, new URL(balancer.url).hostname);
    },
    open: (region) => regions.open(region),
    close: (region) => regions.fenceOff(region),
  });
}

/** The whole of it goes on behind: a server that was just promoted gets its standby only later. */
async function beginStart(
  regions: RegionSet,
  region: string,
  onProgress: StackProgress,
  log: (entry: LogEntry) => void,
): Promise<void> {
  const plan = await regions.stacks.plan(region);
  regions.stacks.apply(plan, onProgress).catch((error: unknown) => {
    log(faultEntry(error, region));
  });
}

/** Instances answer; standbys may still be on their way. */
async function untilServing(regions: RegionSet, region: string): Promise<void> {
  for (const deadline = performance.now() + patienceMilliseconds; ; ) {
    const status = await regions.control(region).status().catch(toRowhouseError);
    if ("fleets" in status && (status.status === "ready" || status.status === "degraded")) return;
    if (performance.now() > deadline) {
      if ("fleets" in status) throw toRowhouseError(new Error(`${region} is ${status.status}`));
      throw status;
    }
    await sleep(pollMilliseconds);
  }
}
