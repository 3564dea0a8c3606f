import { CanaryScanner } from "../../core/residency/canary.ts";
import type { Objects } from "../../ports/objects.ts";
import type { RawStorage } from "../../ports/raw-storage.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import type { RegionContext } from "../region-context.ts";
import { digestOf } from "./digest.ts";
import { textOfDatabases, textOfTables } from "./tables.ts";

const readsAtATime = 4;

/** What to look for, told so that who looks does not learn it. */
export interface SearchOrder {
  /** SHA-256 of each canary, hex. */
  readonly digests: readonly string[];
  /** Tenants that no object's key may name: what is encrypted hides its canaries. */
  readonly slugs: readonly string[];
}

/** How much of one store was looked at. */
export interface SearchedStore {
  readonly store: string;
  readonly places: number;
  readonly bytes: number;
}

/** A canary, by its digest, or a tenant's slug in an object's key. */
export interface Sighting {
  readonly what: string;
  readonly store: string;
  readonly place: string;
  /** How it was written there. */
  readonly form: string;
}

export interface SearchReport {
  readonly searched: readonly SearchedStore[];
  /** What could not be looked at, with the reason. */
  readonly unreadable: readonly string[];
  readonly sightings: readonly Sighting[];
}

/** Looks at what was said to look at, and notes what it saw. */
export class Search {
  readonly #digests: ReadonlySet<string>;
  readonly #stores = new Map<string, { places: number; bytes: number }>();
  readonly #sightings = new Map<string, Sighting>();

  constructor(order: Pick<SearchOrder, "digests">) {
    this.#digests = new Set(order.digests);
  }

  async look(store: string, place: string, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    const push = this.open(store, place);
    for await (const piece of bytes) push(piece);
  }

  /** A place whose bytes come piece by piece. */
  open(store: string, place: string): (piece: Uint8Array) => void {
    const totals = this.#stores.get(store) ?? { places: 0, bytes: 0 };
    this.#stores.set(store, totals);
    totals.places++;
    const scanner = new CanaryScanner();
    return (piece) => {
      totals.bytes += piece.length;
      for (const { canary, form } of scanner.push(piece)) {
        const what = digestOf(canary);
        if (this.#digests.has(what)) this.note({ what, store, place, form });
      }
    };
  }

  note(sighting: Sighting): void {
    this.#sightings.set(JSON.stringify(sighting), sighting);
  }

  report(unreadable: readonly string[]): SearchReport {
    return {
      searched: [...this.#stores].map(([store, totals]) => ({ store, ...totals })),
      unreadable,
      sightings: [...this.#sightings.values()],
    };
  }
}

/** Searches everything that a region keeps. */
export async function searchRegion(context: RegionContext, order: SearchOrder): Promise<SearchReport> {
  const search = new Search(order);
  const { objects, rawStorage } = context.platform;
  const unreadable = [...rawStorage.unreadable, ...(await textOfDatabases(context, search))];
  await searchObjects(search, objects, order.slugs);
  await searchRaw(search, rawStorage);
  return search.report(unreadable);
}

/** Searches the control plane's own part: the directory, and what lies beside it. */
export async function searchControlPlane(
  parts: { readonly directoryPool: WriterPool; readonly rawStorage: RawStorage },
  order: SearchOrder,
): Promise<SearchReport> {
  const search = new Search(order);
  await textOfTables(parts.directoryPool, "directory", search);
  await searchRaw(search, parts.rawStorage);
  return search.report(parts.rawStorage.unreadable);
}

/** Searches what lies below the ports alone, of a region that does not run. */
export async function searchRawStorage(rawStorage: RawStorage, order: SearchOrder): Promise<SearchReport> {
  const search = new Search(order);
  await searchRaw(search, rawStorage);
  return search.report(rawStorage.unreadable);
}

/** All versions of all objects, hidden ones too, with their keys. */
async function searchObjects(search: Search, objects: Objects, slugs: readonly string[]): Promise<void> {
  for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
    const page = await objects.listVersions({ prefix: "", ...(after === undefined ? {} : { after }) });
    for (const { key, versionId } of page.versions) {
      for (const what of slugs)
        if (namesTenant(key, what)) search.note({ what, store: "objects", place: key, form: "key" });
      const found = await objects.get(key, { versionId });
      await search.look("objects", key, withKey(key, found?.body));
    }
    after = page.next;
  }
}

/** A slug is a part of a key where no letter, digit or hyphen makes it another word. */
function namesTenant(key: string, slug: string): boolean {
  return new RegExp(`(^|[^a-z0-9-])${slug}($|[^a-z0-9])`).test(key);
}

async function* withKey(key: string, body: AsyncIterable<Uint8Array> | undefined) {
  yield Buffer.from(`${key}\n`);
  if (body) yield* body;
}

/** Several at a time: most of what it takes is waiting for the disk. */
async function searchRaw(search: Search, rawStorage: RawStorage): Promise<void> {
  const places = rawStorage.places()[Symbol.asyncIterator]();
  const worker = async () => {
    for (let next = await places.next(); !next.done; next = await places.next()) {
      const { store, name, bytes } = next.value;
      await search.look(store, name, bytes());
    }
  };
  await Promise.all(Array.from({ length: readsAtATime }, worker));
}
