import type { Config } from "../../core/config/schema.ts";
import { fault } from "../../core/error.ts";
import type { Dns } from "../../ports/dns.ts";
import type { StackProgress, Stacks } from "../../ports/stacks.ts";
import type { Directory } from "../directory.ts";
import { unpublishRegion } from "../signup/address.ts";
import { type RegionDocument, regionDocument } from "./document.ts";
import { RegionOperation } from "./operation.ts";

export interface RegionsParts {
  readonly stacks: Stacks;
  readonly directory: Directory;
  readonly dns: Pick<Dns, "remove">;
  /** As it is now. */
  readonly config: () => Config;
  /** Makes the region declared, if the config file names it by now. @throws E_REGION_UNKNOWN, E_CONFIG */
  readonly declare: (region: string) => Promise<void>;
  /** Regions that have failed over, and where to. */
  readonly lost?: () => Promise<ReadonlyMap<string, string>>;
  /** The region serves, and may be used. */
  readonly onReady: (region: string) => void;
  /** The region is on its way out, and must not be used any more. */
  readonly onLeaving: (region: string) => void;
}

/** The control plane's use cases on regions as a whole: list, create, delete. */
export class Regions {
  readonly #parts: RegionsParts;
  /** The last operation of each region. */
  readonly #operations = new Map<string, RegionOperation>();

  constructor(parts: RegionsParts) {
    this.#parts = parts;
  }

  /** Every region that the config names or that is there. With `lookNow` drift is found out anew. */
  async list(options: { readonly lookNow?: boolean } = {}): Promise<RegionDocument[]> {
    const { stacks, directory, config, lost = async () => new Map<string, string>() } = this.#parts;
    const [known, tenants, successors] = await Promise.all([
      stacks.list(),
      directory.countByRegion(),
      lost(),
    ]);
    const declared = config().regions;
    const names = [...new Set([...Object.keys(declared), ...known.map(({ region }) => region)])];
    return Promise.all(
      names.map(async (name) => {
        if (options.lookNow) await stacks.drift(name);
        const stack = await stacks.describe(name);
        return regionDocument(stack, declared[name], tenants.get(name) ?? 0, successors.get(name));
      }),
    );
  }

  /** @throws E_REGION_UNKNOWN */
  async show(name: string): Promise<RegionDocument> {
    const found = (await this.list()).find((region) => region.name === name);
    if (!found) throw unknownRegion(name, this.#parts.config());
    return found;
  }

  /**
   * Begins to bring a region into being, or up to date; the operation that does so already is joined.
   * @throws E_REGION_UNKNOWN, E_CONFIG, E_CONFLICT
   */
  async create(name: string): Promise<RegionOperation> {
    const { stacks, config, declare } = this.#parts;
    const running = this.#running(name, "create");
    if (running) return running;
    if (!config().regions[name]) await declare(name);
    if ((await stacks.describe(name)).status === "deleting")
      throw fault("E_CONFLICT", `The region ${name} is half deleted.`, {
        remedy: `Finish that with \`rowhouse region delete ${name}\`, then create it anew.`,
      });
    return (
      this.#running(name, "create") ??
      this.#begin(name, "create", (onProgress) => this.#create(name, onProgress))
    );
  }

  /**
   * Shuts a region to new tenants and begins to remove it; the operation that does so already is joined.
   * @throws E_REGION_UNKNOWN, E_REGION_IN_USE, E_CONFLICT
   */
  async delete(name: string): Promise<RegionOperation> {
    const running = this.#running(name, "delete");
    if (running) return running;
    const { stacks, directory } = this.#parts;
    const { status } = await this.show(name);
    const others = (await stacks.list()).filter((stack) => stack.region !== name && stack.status === "ready");
    if (status !== "absent" && others.length === 0)
      throw fault("E_CONFLICT", `The region ${name} is the only one that is ready.`, {
        remedy: "Create another one first; `rowhouse down` stops everything and keeps it.",
      });
    await directory.closeRegion(name);
    return (
      this.#running(name, "delete") ??
      this.#begin(name, "delete", (onProgress) => this.#delete(name, onProgress))
    );
  }

  /**
   * Finishes what a crash interrupted. A deletion that had shut the region to new tenants and not yet begun is taken
   * back. `onFault` is told of what came to nothing.
   */
  async resume(onProgress: StackProgress, onFault: (region: string, error: unknown) => void): Promise<void> {
    const { stacks, directory, lost } = this.#parts;
    const successors = await lost?.();
    await Promise.all(
      (await stacks.list()).map(async ({ region, status }) => {
        // It waits for its way back.
        if (successors?.has(region)) return;
        try {
          if (status === "ready") await directory.openRegion(region);
          if (status !== "creating" && status !== "deleting") return;
          onProgress(`${region}: ${status === "creating" ? "its creation" : "its deletion"} goes on`);
          const operation = await (status === "creating" ? this.create(region) : this.delete(region));
          await operation.done;
        } catch (error) {
          onFault(region, error);
        }
      }),
    );
  }

  /** The last operation on the region; `undefined` when there was none since the start. */
  operation(name: string): RegionOperation | undefined {
    return this.#operations.get(name);
  }

  /** @throws E_CONFLICT while another kind of operation runs */
  #running(name: string, kind: RegionOperation["kind"]): RegionOperation | undefined {
    const last = this.#operations.get(name);
    if (!last || last.hasEnded) return undefined;
    if (last.kind === kind) return last;
    const doing = last.kind === "create" ? "created" : "deleted";
    throw fault("E_CONFLICT", `The region ${name} is being ${doing}.`, {
      remedy: "Wait until that is done.",
    });
  }

  #begin(
    name: string,
    kind: RegionOperation["kind"],
    work: (onProgress: StackProgress) => Promise<void>,
  ): RegionOperation {
    const operation = new RegionOperation(kind, work);
    this.#operations.set(name, operation);
    return operation;
  }

  async #create(name: string, onProgress: StackProgress): Promise<void> {
    const { stacks, directory, onReady } = this.#parts;
    await stacks.apply(await stacks.plan(name), onProgress);
    await directory.openRegion(name);
    onReady(name);
    onProgress(`${name} takes sign-ups`);
  }

  async #delete(name: string, onProgress: StackProgress): Promise<void> {
    const { stacks, dns, config, onLeaving } = this.#parts;
    onLeaving(name);
    onProgress(`${name} takes no sign-ups any more`);
    await unpublishRegion({ dns, config: config() }, name);
    await stacks.delete(name, onProgress);
    // A controller that was just starting may have published it meanwhile.
    await unpublishRegion({ dns, config: config() }, name);
  }
}

/** The fault of a name that no region has, with what would make it one. */
export function unknownRegion(name: string, config: Config): ReturnType<typeof fault> {
  const known = Object.keys(config.regions).join(", ");
  return fault(
    "E_REGION_UNKNOWN",
    `The configuration names no region ${JSON.stringify(name.slice(0, 80))}; it names ${known}.`,
    {
      remedy:
        `Say in rowhouse.config.ts, at the end of \`regions\`, under which law its data is, as in ` +
        `\`"${name.slice(0, 80)}": { jurisdiction: "…", zones: ["a", "b"], start: false }\`, and try again.`,
    },
  );
}
