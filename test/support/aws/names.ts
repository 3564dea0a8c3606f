import dns, { type LookupAddress } from "node:dns";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/**
 * The emulated account's network on this machine, for one process: host names of a names file resolve to the loopback
 * addresses in it, and a private address `10.a.b.c` stands for `127.a.b.c`, to connect to and to listen on. Preload it
 * into a program by `node --import <this file>` with ROWHOUSE_TEST_NAMES set to one or more files with `:` between;
 * within a test call {@link mapNames}. On Linux all of 127.0.0.0/8 is there; elsewhere it is not.
 */

const awaitedSuffix = ".rds.amazonaws.com";
const awaitedMilliseconds = 20_000;

/** JSON of a names file: host name → loopback address. */
type Names = Readonly<Record<string, string>>;

/** Puts the mapping in force for this process until the returned function is called. The files are read at each look-up. */
export function mapNames(...files: readonly string[]): () => void {
  const restore = [
    ...patchLookup(files),
    patch(net.Socket.prototype, "connect", rewritePrivateHost),
    patch(net.Server.prototype, "listen", rewritePrivateHost),
  ];
  syncBuiltinESMExports();
  return () => {
    for (const undo of restore) undo();
    syncBuiltinESMExports();
  };
}

/**
 * Adds names to the file, and takes out those that are `undefined`. One process alone writes to a file: whoever else has
 * names takes another file.
 */
export function setNames(file: string, changes: Readonly<Record<string, string | undefined>>): void {
  const names = Object.entries({ ...readNames(file), ...changes }).filter(
    ([, address]) => address !== undefined,
  );
  const temporary = `${file}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(Object.fromEntries(names), null, 2)}\n`);
  renameSync(temporary, file);
}

function readNames(file: string): Names {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Names;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw error;
  }
}

/** What `dns.lookup` and `dns.promises.lookup` are called with, callback aside. */
type LookupOptions = { readonly all?: boolean } | number | undefined;

function patchLookup(files: readonly string[]): (() => void)[] {
  const find = (host: unknown) => findName(files, String(host).toLowerCase().replace(/\.$/, ""));
  const wantsAll = (options: LookupOptions) => typeof options === "object" && options.all === true;
  const { lookup } = dns;
  const { lookup: lookupPromise } = dns.promises;
  dns.lookup = (async (host: string, ...rest: unknown[]) => {
    const found = await find(host);
    if (!found) return Reflect.apply(lookup, dns, [host, ...rest]);
    const callback = rest.at(-1) as (error: null, ...answer: unknown[]) => void;
    const answer = wantsAll(rest[0] as LookupOptions) ? [[found]] : [found.address, found.family];
    process.nextTick(callback, null, ...answer);
  }) as unknown as typeof lookup;
  dns.promises.lookup = (async (host: string, options?: LookupOptions) => {
    const found = await find(host);
    if (!found) return Reflect.apply(lookupPromise, dns.promises, [host, options]);
    return wantsAll(options) ? [found] : found;
  }) as typeof lookupPromise;
  return [
    () => {
      dns.lookup = lookup;
    },
    () => {
      dns.promises.lookup = lookupPromise;
    },
  ];
}

/**
 * The emulator says `available` of a database server before its Postgres can be up; RDS says so afterwards. So names of
 * database servers are waited for.
 */
async function findName(files: readonly string[], name: string): Promise<LookupAddress | undefined> {
  for (const deadline = Date.now() + awaitedMilliseconds; ; await pause(20)) {
    const address = files.map((file) => readNames(file)[name]).find((found) => found !== undefined);
    if (address !== undefined) return { address, family: 4 };
    if (!name.endsWith(awaitedSuffix) || Date.now() > deadline) return undefined;
  }
}

/** Replaces a method by one that is called with rewritten arguments. */
function patch(
  owner: object,
  method: string,
  rewrite: (given: readonly unknown[]) => readonly unknown[],
): () => void {
  const original: unknown = Reflect.get(owner, method);
  if (typeof original !== "function") throw new Error(`${method} is no method`);
  Reflect.set(owner, method, function (this: unknown, ...given: unknown[]) {
    return Reflect.apply(original, this, rewrite(given));
  });
  return () => {
    Reflect.set(owner, method, original);
  };
}

/**
 * The arguments of `connect` and `listen`: `(port, host, …)`, `({ host, … }, …)`, or, from `net.connect`, one array of
 * these with a mark that only the array itself has.
 */
function rewritePrivateHost(given: readonly unknown[]): readonly unknown[] {
  const [first, second, ...rest] = given;
  if (Array.isArray(first)) {
    first[0] = withLoopbackHost(first[0]);
    return given;
  }
  if (typeof first === "object" && first !== null) return [withLoopbackHost(first), ...given.slice(1)];
  return typeof second === "string" ? [first, loopback(second), ...rest] : given;
}

function withLoopbackHost(options: unknown): unknown {
  if (typeof options !== "object" || options === null || !("host" in options)) return options;
  const host = typeof options.host === "string" ? loopback(options.host) : options.host;
  return host === options.host ? options : { ...options, host };
}

function loopback(host: string): string {
  return net.isIPv4(host) && host.startsWith("10.") ? host.replace("10.", "127.") : host;
}

const { ROWHOUSE_TEST_NAMES: preloaded } = process.env;
if (preloaded) mapNames(...preloaded.split(":"));
