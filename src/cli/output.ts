import { once } from "node:events";
import type { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import type { RowhouseError } from "../core/error.ts";

/** Where a command's results, progress and errors go: text for people, or exactly one JSON document on stdout. */
export class Output {
  readonly json: boolean;
  readonly #stdout: Writable;
  readonly #stderr: Writable;
  readonly #lost = new AbortController();

  constructor(options: { readonly json: boolean; readonly stdout: Writable; readonly stderr: Writable }) {
    this.json = options.json;
    this.#stdout = options.stdout;
    this.#stderr = options.stderr;
    // Without a listener a full disk under a log file, or a terminal that was closed, would end `up` on the spot.
    this.#stdout.on("error", (error) => this.#lost.abort(error));
    this.#stderr.on("error", () => {});
  }

  /** Aborted once nobody takes what is written. */
  get closed(): AbortSignal {
    return this.#lost.signal;
  }

  /** True when the result did not get through; a reader who has had enough, as `head`, is no such case. */
  async failed(): Promise<boolean> {
    // The stream tells of a write that failed a moment after it.
    await new Promise((resolve) => setImmediate(resolve));
    return this.closed.aborted && (this.closed.reason as NodeJS.ErrnoException).code !== "EPIPE";
  }

  /** What the command was run for; `text` is asked only when people read. */
  result(value: unknown, text: () => string): void {
    this.#stdout.write(this.json ? `${JSON.stringify(value)}\n` : `${text()}\n`);
  }

  /** A result of unknown length, item by item: lines of text, or one JSON array. */
  async stream<T>(items: AsyncIterable<T>, text: (item: T) => string): Promise<void> {
    let written = 0;
    for await (const item of items) {
      const json = () => `${written === 0 ? "[" : ","}${JSON.stringify(item)}`;
      const fits = this.#stdout.write(this.json ? json() : `${text(item)}\n`);
      written++;
      // Rejects when the reader goes away, which is looked at next.
      if (!fits) await once(this.#stdout, "drain").catch(() => {});
      if (this.closed.aborted) return;
    }
    if (this.json) this.#stdout.write(written === 0 ? "[]\n" : "]\n");
  }

  /** What goes on meanwhile. */
  progress(line: string): void {
    this.#stderr.write(`${line}\n`);
  }

  error(error: RowhouseError): void {
    if (this.json) {
      this.#stdout.write(`${JSON.stringify({ error: error.toJSON() })}\n`);
      return;
    }
    this.#stderr.write(
      `rowhouse: ${printable(error.reason)} [${error.code}]\n  ${printable(error.remedy)}\n`,
    );
    if (error.code === "E_INTERNAL" && error.cause instanceof Error)
      this.#stderr.write(`${error.cause.stack}\n`);
  }
}

/** Aligned columns under their titles. A text of unknown width (a name) belongs into the last one. */
export function table(
  titles: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
): string {
  const lines = [
    titles,
    ...rows.map((row) => row.map((cell) => printable(cell === null ? "-" : String(cell)))),
  ];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Names and their values, one pair a line. */
export function pairs(values: Readonly<Record<string, string | number | null>>): string {
  const width = Math.max(...Object.keys(values).map((name) => name.length));
  return Object.entries(values)
    .map(([name, value]) => `${name.padEnd(width)}  ${printable(value === null ? "-" : String(value))}`)
    .join("\n");
}

/** One line without anything that a terminal would obey: what a tenant wrote must not move the operator's cursor. */
export function printable(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\p{Cc}/gu, "\ufffd");
}
