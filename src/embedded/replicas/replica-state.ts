import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkServerName, isServerName } from "../../core/database/server-name.ts";
import type { ServerSize } from "../postgres/server-state.ts";
import { readJson, writeFileAtomically } from "../state-folder.ts";

/** Which server of which region. */
export interface ReplicaName {
  readonly source: string;
  readonly server: string;
}

/** What is remembered of a replica, in `<source>/<server>/replica.json` of its region's replicas. */
export interface ReplicaState extends ReplicaName {
  readonly size: ServerSize;
  /**
   * `creating` until the first copy is whole; `broken`: what it has stays good, and grows no more; `promoting`: it is on
   * its way to become a server, and never follows again.
   */
  readonly phase: "creating" | "following" | "broken" | "promoting";
  /** Its own, and one that is kept for its standby once it is a server. */
  readonly ports: readonly [number, number];
  /** Ciphertexts under the key of the replica's region: the source's key may be lost with the source. */
  readonly passwords: { readonly administrator: string; readonly replication: string };
}

/** @throws E_ARGUMENT for names that nothing can have */
export function replicaFolder(folder: string, { source, server }: ReplicaName): string {
  if (!/^[a-z][a-z0-9-]*$/.test(source)) checkServerName(source);
  return join(folder, source, checkServerName(server));
}

/** `undefined` when there is no such replica. @throws E_STATE_CORRUPT */
export function readReplica(folder: string, name: ReplicaName): Promise<ReplicaState | undefined> {
  return readJson<ReplicaState>(join(replicaFolder(folder, name), "replica.json"));
}

export function writeReplica(folder: string, state: ReplicaState): Promise<void> {
  return writeFileAtomically(
    join(replicaFolder(folder, state), "replica.json"),
    JSON.stringify(state, null, 2),
  );
}

/** Removes its folder and all in it. */
export async function removeReplica(folder: string, name: ReplicaName): Promise<void> {
  await rm(replicaFolder(folder, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** All replicas of the folder, of every source. @throws E_STATE_CORRUPT */
export async function readReplicas(folder: string): Promise<ReplicaState[]> {
  const sources = await foldersIn(folder);
  const states = await Promise.all(
    sources.map(async (source) => {
      const servers = (await foldersIn(join(folder, source))).filter(isServerName);
      return Promise.all(servers.map((server) => readReplica(folder, { source, server })));
    }),
  );
  return states.flat().filter((state) => state !== undefined);
}

async function foldersIn(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const entries = await readdir(folder, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : [])).toSorted();
}

/** What a replica's password is encrypted under. */
export function replicaContext(
  { source, server }: ReplicaName,
  who: keyof ReplicaState["passwords"],
): Record<string, string> {
  return { purpose: "replica", source, server, who };
}
