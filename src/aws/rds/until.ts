import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";

/** Between two questions to RDS about work that takes minutes. */
const pollMilliseconds = 10_000;
/** RDS takes a quarter of this; whoever asks again afterwards goes on with what is there. */
const deadlineMilliseconds = 3_600_000;

/** Where RDS's work on an instance is; `is` is its status. */
export type Progress = "done" | { readonly is: string | undefined };

/** Looks until it is done. @throws E_DATABASE_UNAVAILABLE when it is not after an hour: "The `what` yet: RDS says …" */
export async function untilDone(
  parts: { readonly clock: Clock; readonly log?: ((message: string) => void) | undefined },
  { name, what }: { readonly name: string; readonly what: string },
  look: () => Promise<Progress>,
): Promise<void> {
  const { clock, log } = parts;
  const deadline = clock.elapsedMilliseconds() + deadlineMilliseconds;
  let last: string | undefined;
  for (;;) {
    const seen = await look();
    if (seen === "done") return;
    if (seen.is !== last) log?.(`${name}: RDS says ${seen.is}`);
    last = seen.is;
    if (clock.elapsedMilliseconds() >= deadline)
      throw fault("E_DATABASE_UNAVAILABLE", `The ${name} ${what}: RDS says ${seen.is}.`);
    await clock.sleep(pollMilliseconds);
  }
}
