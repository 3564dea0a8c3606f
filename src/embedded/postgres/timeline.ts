import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** What a data folder says of its node while nobody runs on it. */
export interface FolderHistory {
  /** The newest timeline that it knows of. Each promotion begins one. */
  readonly timeline: number;
  /** The node was shut down in order as a primary; it wrote nothing after {@link checkpoint}. */
  readonly isShutDown: boolean;
  /** Where the last checkpoint begins in the log, as a log sequence number. */
  readonly checkpoint: string;
}

/** `DB_SHUTDOWNED`. Source, for the layout too: Postgres's src/include/catalog/pg_control.h. */
const shutDownState = 1;
const stateOffset = 16;
const checkpointOffset = 32;
const timelineOffset = 48;
const historyFile = /^([0-9A-F]{8})\.history$/;

/**
 * Reads a data folder's history; `undefined` where there is none to read. A node that is promoted writes the new
 * timeline's history file before it takes its first write, and its control file some time later, so both count. They
 * are in the byte order of the machine that wrote them, which is this one.
 */
export async function readHistory(dataFolder: string): Promise<FolderHistory | undefined> {
  const [control, log] = await Promise.all([
    readFile(join(dataFolder, "global", "pg_control")).catch(() => undefined),
    readdir(join(dataFolder, "pg_wal")).catch(() => []),
  ]);
  if (!control || control.length < timelineOffset + 4) return undefined;
  const view = new DataView(control.buffer, control.byteOffset, control.byteLength);
  const histories = log.flatMap((name) => historyFile.exec(name)?.[1] ?? []);
  const timelines = histories.map((digits) => Number.parseInt(digits, 16));
  const position = view.getBigUint64(checkpointOffset, isLittleEndian);
  return {
    timeline: Math.max(view.getUint32(timelineOffset, isLittleEndian), ...timelines),
    isShutDown: view.getInt32(stateOffset, isLittleEndian) === shutDownState,
    checkpoint: `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`.toUpperCase(),
  };
}

const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
