import { unknownRegion } from "../../control/regions/regions.ts";
import type { Config } from "../../core/config/schema.ts";
import { fault } from "../../core/error.ts";
import { type Settings, writeSettings } from "../../embedded/settings.ts";
import type { StateFolder } from "../../embedded/state-folder.ts";

/** The settings of a running supervisor. Nothing in them changes but that regions are added. */
export class LiveSettings {
  readonly #folder: StateFolder;
  readonly #readConfig: () => Promise<Config>;
  #current: Settings;

  constructor(parts: {
    readonly folder: StateFolder;
    readonly settings: Settings;
    /** Reads the config file as it is now. */
    readonly readConfig: () => Promise<Config>;
  }) {
    this.#folder = parts.folder;
    this.#current = parts.settings;
    this.#readConfig = parts.readConfig;
  }

  get current(): Settings {
    return this.#current;
  }

  /**
   * Takes a region over from the config file, where someone has just added it. Whatever else was changed there counts
   * from the next `up` on.
   * @throws E_REGION_UNKNOWN, E_CONFIG
   */
  async declare(name: string): Promise<void> {
    const { config } = this.#current;
    const { regions } = await this.#readConfig();
    if (!Object.hasOwn(regions, name)) throw unknownRegion(name, config);
    const [known, names] = [Object.keys(config.regions), Object.keys(regions)];
    if (known.some((region, index) => names[index] !== region)) {
      throw fault(
        "E_CONFIG",
        `The region ${name} must stand behind ${known.at(-1)}: ports follow the order.`,
        {
          remedy: "Move it to the end of `regions`, or restart with `rowhouse down` and `rowhouse up`.",
        },
      );
    }
    const changed = { ...this.#current, config: { ...config, regions: { ...regions, ...config.regions } } };
    await writeSettings(this.#folder, changed);
    this.#current = changed;
  }
}
