import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Config, RegionConfig } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import { type ListenerPlan, planListeners } from "./listeners.ts";
import { readJson, type StateFolder, writeFileAtomically } from "./state-folder.ts";

/** What every process of one `rowhouse up` works by; kept in the state folder's `config.json`. */
export interface Settings {
  /** Of Rowhouse itself. */
  readonly version: string;
  readonly config: Config;
  readonly basePort: number;
  readonly host: string;
}

/** Writes the settings; returns whether they differ from those of the last start. */
export async function writeSettings(folder: StateFolder, settings: Settings): Promise<{ changed: boolean }> {
  const text = JSON.stringify(settings);
  const before = await readFile(folder.config, "utf8").catch(() => undefined);
  if (before === text) return { changed: false };
  await writeFileAtomically(folder.config, text);
  return { changed: before !== undefined };
}

/** @throws E_NOT_RUNNING when the folder was never started */
export async function readSettings(folder: StateFolder): Promise<Settings> {
  const settings = await readJson<Settings>(folder.config);
  if (!settings) throw fault("E_NOT_RUNNING", `Nothing was ever started on ${folder.path}.`);
  return settings;
}

/** A region of the settings with its ports. @throws E_REGION_UNKNOWN */
export function regionSettings(
  settings: Settings,
  name: string,
): { readonly region: RegionConfig; readonly listeners: ReturnType<ListenerPlan["region"]> } {
  const index = Object.keys(settings.config.regions).indexOf(name);
  const region = settings.config.regions[name];
  if (!region) throw fault("E_REGION_UNKNOWN", `The configuration names no region "${name}".`);
  return { region, listeners: planListeners(settings.basePort).region(index) };
}

/** The text of a token file, made of 256 random bits at the first call. */
export async function ensureToken(path: string): Promise<string> {
  const known = await readFile(path, "utf8").catch(() => undefined);
  if (known) return known.trim();
  const token = randomBytes(32).toString("base64url");
  await writeFileAtomically(path, `${token}\n`);
  return token;
}

/** The address that a process of this machine connects to when another listens on `host`. */
export function loopbackOf(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "[::1]" : host;
}
