import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fault } from "../core/error.ts";

/** Where a command looks. */
export interface Places {
  readonly workingDirectory: string;
  readonly packageRoot: string;
  /** `--config` */
  readonly config?: string;
  /** `--state-dir` */
  readonly stateDir?: string;
}

/** A config file and the state folder that goes with it, both absolute. */
export interface ConfigLocation {
  readonly configFile: string;
  readonly stateDirectory: string;
}

const configName = "rowhouse.config.ts";
const stateName = ".rowhouse";

/**
 * The named config, else the nearest upward; in a clone's own folder the bookshop's, with the state folder at the
 * clone's root.
 * @throws E_CONFIG_NOT_FOUND
 */
export async function findConfig(places: Places): Promise<ConfigLocation> {
  const found = await findFile(places);
  const stateDirectory =
    places.stateDir === undefined ? found.stateDirectory : resolve(places.workingDirectory, places.stateDir);
  return { configFile: found.configFile, stateDirectory };
}

/** The named state folder, else the one of the config; where it is named, no config is needed. @throws E_CONFIG_NOT_FOUND */
export async function findStateFolder(places: Places): Promise<string> {
  if (places.stateDir !== undefined) return resolve(places.workingDirectory, places.stateDir);
  return (await findFile(places)).stateDirectory;
}

async function findFile(places: Places): Promise<ConfigLocation> {
  if (places.config !== undefined) {
    const configFile = resolve(places.workingDirectory, places.config);
    if (await isFile(configFile)) return beside(configFile);
    throw fault("E_CONFIG_NOT_FOUND", `There is no file ${configFile}.`);
  }
  const bookshop = join(places.packageRoot, "examples", "bookshop", configName);
  for (let folder = places.workingDirectory; ; folder = dirname(folder)) {
    const configFile = join(folder, configName);
    if (await isFile(configFile)) return beside(configFile);
    if (folder === places.packageRoot && (await isFile(bookshop))) {
      return { configFile: bookshop, stateDirectory: join(folder, stateName) };
    }
    if (folder === dirname(folder)) throw fault("E_CONFIG_NOT_FOUND");
  }
}

function beside(configFile: string): ConfigLocation {
  return { configFile, stateDirectory: join(dirname(configFile), stateName) };
}

async function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
