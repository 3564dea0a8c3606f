import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkServerName, isServerName } from "../../core/database/server-name.ts";
import type { DatabaseCredentials } from "../../ports/databases.ts";
import type { Keys } from "../../ports/keys.ts";
import { readJson, writeFileAtomically } from "../state-folder.ts";

export type ServerSize = "shared" | "dedicated";

interface NodeState {
  readonly zone: string;
  readonly port: number;
}

/** What is remembered of a server: its file, `<server>/server.json`, is the truth that every process reads. */
export interface ServerState {
  readonly name: string;
  readonly size: ServerSize;
  /** `creating` until the first pair is whole: what lies in the zones' folders before that is thrown away. */
  readonly phase: "creating" | "ready" | "deleting";
  readonly nodes: readonly [NodeState, NodeState];
  /** Zone of the node that takes writes. */
  readonly primary: string;
  /**
   * The standby has every write that was acknowledged. Taken back before the first unprotected write is
   * acknowledged, so whoever reads `true` may promote the standby.
   */
  readonly inSync: boolean;
  /**
   * Zone of the standby that is being made the primary, written before it begins to take writes: from then on the
   * primary of before must not run again as one.
   */
  readonly promoting?: string;
  /**
   * Zone of a node that was the primary until it was ended by force: it may have written what its successor never got.
   * It must not follow the new primary before its data are replaced: it would report positions in a log that went
   * another way, and a commit would count as being there that is not.
   */
  readonly diverged?: string;
  /** Ciphertexts. */
  readonly passwords: { readonly administrator: string; readonly replication: string };
}

/** The superuser's name. */
export const administratorRole = "postgres";
/** What standbys log in as. */
export const replicationRole = "rowhouse_replication";

/** @throws E_ARGUMENT for a name that no server can have */
export function serverFolder(folder: string, name: string): string {
  return join(folder, checkServerName(name));
}

/** `undefined` when there is no such server. @throws E_STATE_CORRUPT */
export async function readServer(folder: string, name: string): Promise<ServerState | undefined> {
  return isServerName(name) ? readJson<ServerState>(join(folder, name, "server.json")) : undefined;
}

export async function writeServer(folder: string, state: ServerState): Promise<void> {
  await writeFileAtomically(
    join(serverFolder(folder, state.name), "server.json"),
    JSON.stringify(state, null, 2),
  );
}

/** Removes the server's folder and all in it, if there is one. */
export async function removeServer(folder: string, name: string): Promise<void> {
  if (!isServerName(name)) return;
  // A tool whose starter was killed may still write into it for a moment.
  await rm(serverFolder(folder, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** Names of all servers of the folder, also of those half made or half deleted. */
export async function serverNames(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return (await readdir(folder)).filter(isServerName).toSorted();
}

/** All servers of the folder, by name. @throws E_STATE_CORRUPT */
export async function readServers(folder: string): Promise<ServerState[]> {
  const names = await serverNames(folder);
  const states = await Promise.all(names.map((name) => readServer(folder, name)));
  return states.filter((state) => state !== undefined);
}

/** The other of the server's two nodes. */
export function standbyZone(state: ServerState): string {
  const [first, second] = state.nodes;
  return first.zone === state.primary ? second.zone : first.zone;
}

/** @throws E_DECRYPT */
export async function readCredentials(
  state: ServerState,
  keys: Keys,
  who: keyof ServerState["passwords"],
): Promise<DatabaseCredentials> {
  const password = await keys.decrypt(state.passwords[who], passwordContext(state.name, who));
  return { user: who === "administrator" ? administratorRole : replicationRole, password };
}

/** What a server's password is encrypted under. */
export function passwordContext(server: string, who: keyof ServerState["passwords"]): Record<string, string> {
  return { purpose: "database-server", server, who };
}
