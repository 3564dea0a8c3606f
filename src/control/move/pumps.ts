import { fault } from "../../core/error.ts";
import { Pump } from "../../postgres/logical/pump.ts";
import type { Source } from "../../postgres/logical/source.ts";
import type { Target } from "../../postgres/logical/target.ts";

/** The pumps of moves that are under way in this process, by the move's id. A crash loses them, and nothing else. */
export class Pumps {
  readonly #running = new Map<string, Pump>();

  /** The one that runs, or one that goes on where the last one left off. @throws E_MOVE_FAILED when there is no copy */
  async get(id: string, open: () => Promise<{ source: Source; target: Target }>): Promise<Pump> {
    const running = this.#running.get(id);
    if (running && !running.hasFailed) return running;
    await this.stop(id);
    const pump = await Pump.resume(await open());
    if (!pump) throw fault("E_MOVE_FAILED", "The copy of the rows is not there any more.");
    this.#running.set(id, pump);
    return pump;
  }

  keep(id: string, pump: Pump): void {
    this.#running.set(id, pump);
  }

  async stop(id: string): Promise<void> {
    const pump = this.#running.get(id);
    this.#running.delete(id);
    await pump?.stop();
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id)));
  }
}
