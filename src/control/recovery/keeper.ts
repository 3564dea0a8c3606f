import { toRowhouseError } from "../../core/error.ts";
import { heartbeatSeconds } from "../../core/recovery/point.ts";
import type { RegionContext } from "../region-context.ts";
import { repeat } from "../repeat.ts";
import { copyFiles } from "./copy-files.ts";
import { keepStandbys } from "./keep-standbys.ts";
import { mayServe, type RegionStates } from "./region-states.ts";

/** A look at the standbys is as dear as one at the fleet, and so much less urgent. */
const standbysPauseFactor = 10;
const filesPauseMilliseconds = 2000;
/** Comparing costs time even when nothing changed: it takes a tenth of it at most. */
const filesRestFactor = 9;

/** What a region with a recovery region does all the time, so that it can be recovered. */
export function startRecoveryKeeper(
  context: RegionContext,
  parts: {
    readonly states: RegionStates;
    /** Between two looks at the fleet. */
    readonly reconcileMilliseconds: number;
    /** The directory says that the region was lost: it must serve nobody from now on. */
    readonly onLost: () => void;
    readonly onFault: (what: string, error: unknown) => void;
  },
): { stop(): Promise<void> } {
  const { clock, recovery } = context.platform;
  if (!recovery) return { stop: async () => {} };
  const loop = (what: string, pauseMilliseconds: number, work: () => Promise<void>) =>
    repeat({ clock, pauseMilliseconds, onFault: (error) => parts.onFault(what, error) }, work);
  const stopping = new AbortController();
  const loops = [
    loop("heartbeat", heartbeatSeconds * 1000, async () => {
      if (!mayServe(await parts.states.beat(context.name))) parts.onLost();
    }),
    loop("standbys", parts.reconcileMilliseconds * standbysPauseFactor, () => keepStandbys(context)),
    loop("copies of files", filesPauseMilliseconds, async () => {
      const begunAt = clock.elapsedMilliseconds();
      await copyFiles(context);
      const took = clock.elapsedMilliseconds() - begunAt;
      await clock.sleep(took * filesRestFactor, stopping.signal).catch(() => {});
    }),
  ];
  return {
    stop: async () => {
      stopping.abort(toRowhouseError("stopping"));
      await Promise.all(loops.map((one) => one.stop()));
    },
  };
}
