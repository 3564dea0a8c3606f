import type { RegionControl } from "../../control/region-control.ts";
import { unknownRegion } from "../../control/regions/regions.ts";
import { repeat } from "../../control/repeat.ts";
import type { Config } from "../../core/config/schema.ts";
import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { RemoteRegions } from "./control-plane/regions.ts";

const pauseMilliseconds = 10_000;

/** The other regions' controllers while they are looked for. */
export interface Peers {
  /** @throws E_REGION_UNKNOWN, E_REGION_UNAVAILABLE for one that was not found yet or is not made */
  readonly peer: (region: string) => RegionControl;
  stop(): Promise<void>;
}

/**
 * Looks for the other regions' controllers as the control plane does, and keeps looking: they move from server to server.
 * What can't be found just now is told once, and keeps nobody from what is known.
 */
export function followPeers(parts: {
  readonly regions: Pick<RemoteRegions, "controls" | "refresh">;
  readonly config: Config;
  readonly clock: Clock;
  readonly onFault: (error: unknown) => void;
}): Peers {
  const { regions, config, clock, onFault } = parts;
  const following = repeat({ clock, pauseMilliseconds, onFault }, () => regions.refresh());
  return {
    peer: (region) => {
      if (!config.regions[region]) throw unknownRegion(region, config);
      const control = regions.controls.get(region);
      if (control) return control;
      throw fault("E_REGION_UNAVAILABLE", `The controller of ${region} is not to be found.`);
    },
    stop: () => following.stop(),
  };
}
