import { existsSync } from "node:fs";
import { access, constants, stat } from "node:fs/promises";
import { RowhouseError } from "../../core/error.ts";
import { isAlive, type ProcessRecord, ProcessTable } from "../../embedded/processes.ts";
import { readJson, type StateFolder } from "../../embedded/state-folder.ts";
import type { SupervisorLock } from "../../embedded/supervisor-lock.ts";
import { type Finding, fail, ok, warn } from "./check.ts";

/** What runs on a state folder, as its own records tell. */
export interface RunningState {
  readonly lock: SupervisorLock | undefined;
  readonly supervisorLives: boolean;
  readonly processes: readonly ProcessRecord[];
}

/** @throws E_STATE_CORRUPT */
export async function readRunningState(folder: StateFolder): Promise<RunningState> {
  const lock = await readJson<SupervisorLock>(folder.lock);
  const processes = existsSync(folder.processes) ? await new ProcessTable(folder).list() : [];
  return { lock, supervisorLives: lock !== undefined && isAlive(lock), processes };
}

/** Whether the folder can be used, and by nobody else. */
export async function checkStateFolder(folder: StateFolder): Promise<Finding> {
  const check = "state folder";
  const found = await stat(folder.path).catch(() => undefined);
  if (!found) return ok(check, `${folder.path} will be made`);
  if (!found.isDirectory())
    return fail(check, `${folder.path} is no folder`, "Move it away, or choose another with --state-dir.");
  const writable = await access(folder.path, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  if (!writable)
    return fail(
      check,
      `${folder.path} can't be written`,
      "Run as its owner, or choose another with --state-dir.",
    );
  const open: string[] = [];
  for (const path of [folder.path, folder.operatorToken, folder.internalToken]) {
    const mode = await stat(path).then(
      (entry) => entry.mode,
      () => 0,
    );
    if ((mode & 0o077) !== 0) open.push(path);
  }
  if (open.length > 0) {
    return fail(
      check,
      `others may read ${open.join(", ")}`,
      `Run \`chmod go= ${open.join(" ")}\`, then make a new token.`,
    );
  }
  return ok(check, `${folder.path}, for its owner alone`);
}

/** The lock of a supervisor that died, and processes that nobody watches over. */
export async function checkProcesses(folder: StateFolder): Promise<Finding> {
  const check = "processes";
  let state: RunningState;
  try {
    state = await readRunningState(folder);
  } catch (error) {
    if (!(error instanceof RowhouseError)) throw error;
    return fail(check, error.reason, error.remedy);
  }
  const { lock, supervisorLives, processes } = state;
  if (supervisorLives) return ok(check, `supervisor ${lock?.pid} and ${processes.length} others run`);
  if (processes.length > 0) {
    return warn(
      check,
      `${processes.length} run without their supervisor, and serve the tenants`,
      "Take them over with `rowhouse up`, or stop them with `rowhouse down`.",
    );
  }
  if (lock)
    return warn(
      check,
      `supervisor ${lock.pid} died without a stop`,
      "Nothing has to be done: `rowhouse up` starts anew.",
    );
  return ok(check, "nothing runs");
}
