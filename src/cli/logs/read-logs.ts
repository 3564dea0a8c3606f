import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type LogEntry, parseLogLine } from "./log-entry.ts";

/**
 * Every entry of the folder's logs, rotated ones included, oldest first. `sizes` says up to which byte a file is
 * read; others are read whole.
 */
export async function* readLogs(
  folder: string,
  sizes: ReadonlyMap<string, number> = new Map(),
): AsyncGenerator<LogEntry, void, void> {
  const files = (await listLogs(folder))
    .filter((file) => sizes.get(file) !== 0)
    .map((file) => readFile(join(folder, file), sourceOf(file), sizes.get(file)));
  const heads: { next: LogEntry; readonly file: AsyncGenerator<LogEntry> }[] = [];
  try {
    for (const file of files) {
      const { value } = await file.next();
      if (value) heads.push({ next: value, file });
    }
    while (heads.length > 0) {
      const oldest = heads.reduce((first, head) => (head.next.time < first.next.time ? head : first));
      yield oldest.next;
      const { value } = await oldest.file.next();
      if (value) oldest.next = value;
      else heads.splice(heads.indexOf(oldest), 1);
    }
  } finally {
    for (const { file } of heads) await file.return(undefined);
  }
}

/** The last `count` of them. */
export async function* lastOf<T>(items: AsyncIterable<T>, count: number): AsyncGenerator<T, void, void> {
  const kept: T[] = [];
  let next = 0;
  for await (const item of items) {
    kept[next] = item;
    next = (next + 1) % count;
  }
  for (let i = 0; i < kept.length; i++) {
    const item = kept[(next + i) % kept.length];
    if (item !== undefined) yield item;
  }
}

/** The process that a log file is of. */
export function sourceOf(file: string): string {
  return file.replace(/\.log(\.\d+)?$/, "");
}

/** The names of the log files; none when there is no folder yet. */
export async function listLogs(folder: string, pattern = /\.log(\.\d+)?$/): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.filter((name) => pattern.test(name)).toSorted();
}

async function* readFile(
  path: string,
  source: string,
  size = Number.POSITIVE_INFINITY,
): AsyncGenerator<LogEntry, void, void> {
  // `end` is the last byte that is read.
  const stream = createReadStream(path, { encoding: "utf8", end: size - 1 });
  let time = "";
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY })) {
      if (line === "") continue;
      const entry = parseLogLine(line, source, time);
      time = entry.time;
      yield entry;
    }
  } finally {
    stream.destroy();
  }
}
