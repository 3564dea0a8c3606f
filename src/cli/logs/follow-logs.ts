import { type FileHandle, open, stat } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { type LogEntry, parseLogLine } from "./log-entry.ts";
import { listLogs, sourceOf } from "./read-logs.ts";

const pollMilliseconds = 250;

/** Rotated files grow no more. */
const growing = /\.log$/;

/** The logs of a folder from a moment on. Files may appear, be renamed away or be cut to nothing meanwhile. */
export class LogTails {
  readonly #folder: string;
  readonly #tails: Map<string, LogTail>;
  /** How many bytes of each file are the past, for `readLogs`. */
  readonly sizes: ReadonlyMap<string, number>;

  private constructor(folder: string, tails: Map<string, LogTail>) {
    this.#folder = folder;
    this.#tails = tails;
    this.sizes = new Map([...tails].map(([file, tail]) => [file, tail.offset]));
  }

  /** The moment is now. */
  static async open(folder: string): Promise<LogTails> {
    const tails = new Map<string, LogTail>();
    for (const file of await listLogs(folder, growing)) {
      tails.set(file, await LogTail.open(join(folder, file), sourceOf(file), "end"));
    }
    return new LogTails(folder, tails);
  }

  /** What was written since, until `signal` is aborted. To be called once. */
  async *follow(signal: AbortSignal): AsyncGenerator<LogEntry, void, void> {
    try {
      while (!signal.aborted) {
        await this.#openNewFiles();
        const entries: LogEntry[] = [];
        for (const tail of this.#tails.values()) entries.push(...(await tail.read()));
        yield* entries.toSorted((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
        await sleep(pollMilliseconds, undefined, { signal }).catch(() => {});
      }
    } finally {
      for (const tail of this.#tails.values()) await tail.close();
    }
  }

  async #openNewFiles(): Promise<void> {
    for (const file of await listLogs(this.#folder, growing)) {
      if (this.#tails.has(file)) continue;
      this.#tails.set(file, await LogTail.open(join(this.#folder, file), sourceOf(file), "start"));
    }
  }
}

/** One file that grows. */
class LogTail {
  readonly #path: string;
  readonly #source: string;
  #file: FileHandle;
  #offset: number;
  #decoder = new StringDecoder("utf8");
  #unfinished = "";
  #time = new Date().toISOString();

  private constructor(path: string, source: string, file: FileHandle, offset: number) {
    this.#path = path;
    this.#source = source;
    this.#file = file;
    this.#offset = offset;
  }

  static async open(path: string, source: string, from: "start" | "end"): Promise<LogTail> {
    const file = await open(path);
    return new LogTail(path, source, file, from === "end" ? (await file.stat()).size : 0);
  }

  get offset(): number {
    return this.#offset;
  }

  /** The complete lines that came since the last call. */
  async read(): Promise<LogEntry[]> {
    const entries = await this.#readToEnd();
    const [known, now] = await Promise.all([this.#file.stat(), stat(this.#path).catch(() => undefined)]);
    if (now === undefined) return entries;
    if (now.ino === known.ino) {
      if (known.size >= this.#offset) return entries;
      this.#startAgain();
    } else {
      const next = await open(this.#path);
      // What was written between the read and the renaming.
      entries.push(...(await this.#readToEnd()));
      await this.#file.close();
      this.#file = next;
      this.#startAgain();
    }
    return [...entries, ...(await this.#readToEnd())];
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  #startAgain(): void {
    this.#offset = 0;
    this.#unfinished = "";
    this.#decoder = new StringDecoder("utf8");
  }

  async #readToEnd(): Promise<LogEntry[]> {
    const buffer = Buffer.alloc(64 * 1024);
    const entries: LogEntry[] = [];
    for (;;) {
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, this.#offset);
      if (bytesRead === 0) return entries;
      this.#offset += bytesRead;
      const lines = (this.#unfinished + this.#decoder.write(buffer.subarray(0, bytesRead))).split("\n");
      this.#unfinished = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") continue;
        const entry = parseLogLine(line, this.#source, this.#time);
        this.#time = entry.time;
        entries.push(entry);
      }
    }
  }
}
