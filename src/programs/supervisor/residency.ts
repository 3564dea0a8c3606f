import type { RegionControl } from "../../control/region-control.ts";
import { checkResidency } from "../../control/residency/check.ts";
import type { ResidencyReport } from "../../control/residency/report.ts";
import {
  type SearchOrder,
  type SearchReport,
  searchControlPlane,
  searchRawStorage,
} from "../../control/residency/search.ts";
import { createGlobalRawStorage, createRegionRawStorage } from "../../embedded/raw-storage.ts";
import type { StateFolder } from "../../embedded/state-folder.ts";
import { createSystemRandom } from "../../node/clock.ts";
import type { OpenDirectory } from "./directory.ts";
import type { LiveSettings } from "./live-settings.ts";

/** The residency check over a whole state folder: regions that don't run have their files searched, too. */
export function checkStateResidency(
  parts: {
    readonly folder: StateFolder;
    readonly settings: LiveSettings;
    readonly regions: ReadonlyMap<string, RegionControl>;
    readonly opened: Pick<OpenDirectory, "directory" | "pool">;
  },
  query: { readonly tenant?: string },
): Promise<ResidencyReport> {
  const { folder, settings, regions, opened } = parts;
  const { config } = settings.current;
  const names = Object.keys(config.regions);
  return checkResidency(
    {
      config,
      directory: opened.directory,
      regions,
      random: createSystemRandom(),
      searchControlPlane: (order) =>
        searchControlPlane(
          { directoryPool: opened.pool, rawStorage: createGlobalRawStorage(folder, names) },
          order,
        ),
      searchStopped: (region: string, order: SearchOrder): Promise<SearchReport> =>
        searchRawStorage(createRegionRawStorage(folder, region, { isOpenHere: false }), order),
    },
    query,
  );
}
