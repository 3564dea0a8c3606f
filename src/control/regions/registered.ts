import type { Config } from "../../core/config/schema.ts";
import type { Directory } from "../directory.ts";
import { type RegionDocument, regionDocument } from "./document.ts";
import { RegionOperation } from "./operation.ts";
import { unknownRegion } from "./regions.ts";

/**
 * The control plane's part where an operator makes and removes regions from outside, with rights that the control plane
 * itself has not: it opens them to new tenants, and shuts them.
 */
export class RegisteredRegions {
  readonly #parts: {
    readonly directory: Directory;
    readonly config: Config;
    /** Those that were made, as they come and go. */
    readonly made: ReadonlyMap<string, unknown>;
  };

  constructor(parts: {
    readonly directory: Directory;
    readonly config: Config;
    readonly made: ReadonlyMap<string, unknown>;
  }) {
    this.#parts = parts;
  }

  /** Of drift nothing is known here. */
  async list(): Promise<RegionDocument[]> {
    const { config, directory, made } = this.#parts;
    const tenants = await directory.countByRegion();
    return Object.entries(config.regions).map(([region, declared]) => {
      const status = made.has(region) ? "ready" : "absent";
      return regionDocument(
        { region, status, problem: null, drift: null },
        declared,
        tenants.get(region) ?? 0,
      );
    });
  }

  /** @throws E_REGION_UNKNOWN */
  async show(name: string): Promise<RegionDocument> {
    const found = (await this.list()).find((region) => region.name === name);
    if (!found) throw unknownRegion(name, this.#parts.config);
    return found;
  }

  /** Lets tenants into a region that was made. @throws E_REGION_UNKNOWN */
  async create(name: string): Promise<RegionOperation> {
    await this.show(name);
    await this.#parts.directory.openRegion(name);
    return new RegionOperation("create", async () => {});
  }

  /** Shuts a region that is to be removed. @throws E_REGION_UNKNOWN, E_REGION_IN_USE */
  async delete(name: string): Promise<RegionOperation> {
    await this.show(name);
    await this.#parts.directory.closeRegion(name);
    return new RegionOperation("delete", async () => {});
  }

  /** All is done at once: there is nothing to follow. */
  operation(): undefined {
    return undefined;
  }
}
