import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { filesFolder } from "../../core/archive/manifest.ts";
import { fault } from "../../core/error.ts";
import { fileKey, filesPrefix } from "../../core/tenant/file-key.ts";
import type { ListedObject, ObjectInfo, Objects } from "../../ports/objects.ts";
import type { Archive } from "./open.ts";

/** A file of a tenant on its way into an archive. */
interface TenantFile {
  readonly entry: string;
  readonly key: string;
  readonly contentType: string;
  /** ISO 8601. */
  readonly lastModified: string;
  readonly body: AsyncIterable<Buffer> | Iterable<Buffer>;
}

/** Small files are asked for before their turn: a service answers many at once as fast as one. */
const aheadFiles = 8;
const aheadBytes = 256 * 1024;

/** All files of a tenant in the order of their keys; one that is deleted meanwhile is left out. */
export async function* readTenantFiles(
  objects: Pick<Objects, "list" | "get">,
  slug: string,
): AsyncGenerator<TenantFile> {
  const prefix = filesPrefix(slug);
  const ahead: { readonly listed: ListedObject; readonly fetched: Promise<Fetched | undefined> }[] = [];
  const take = async () => {
    const next = ahead.shift();
    if (!next) return undefined;
    const fetched = (await next.fetched) ?? (await fetchFile(objects, next.listed.key));
    return fetched && toTenantFile(fetched, prefix);
  };
  for await (const listed of listAll(objects, prefix)) {
    const fetched = listed.size <= aheadBytes ? fetchWhole(objects, listed.key) : Promise.resolve(undefined);
    fetched.catch(() => {});
    ahead.push({ listed, fetched });
    if (ahead.length < aheadFiles) continue;
    const file = await take();
    if (file) yield file;
  }
  while (ahead.length > 0) {
    const file = await take();
    if (file) yield file;
  }
}

interface Fetched {
  readonly info: ObjectInfo;
  readonly body: AsyncIterable<Buffer> | Iterable<Buffer>;
}

async function* listAll(objects: Pick<Objects, "list">, prefix: string): AsyncGenerator<ListedObject> {
  let after: string | undefined;
  do {
    const page = await objects.list({ prefix, ...(after === undefined ? {} : { after }) });
    yield* page.objects;
    after = page.next;
  } while (after !== undefined);
}

async function fetchFile(objects: Pick<Objects, "get">, key: string): Promise<Fetched | undefined> {
  const found = await objects.get(key);
  return found && { info: found.info, body: wholeBody(found.info, found.body) };
}

/** Undefined also for one that has grown since it was listed: it is read when its turn comes. */
async function fetchWhole(objects: Pick<Objects, "get">, key: string): Promise<Fetched | undefined> {
  const found = await objects.get(key);
  if (!found) return undefined;
  if (found.info.size > aheadBytes) {
    found.body.destroy();
    return undefined;
  }
  return { info: found.info, body: [await buffer(wholeBody(found.info, found.body))] };
}

/** Fails when the body breaks off: a shorter file would be a whole one in the archive. */
async function* wholeBody(info: ObjectInfo, body: Readable): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    yield chunk;
  }
  if (bytes !== info.size) {
    throw fault("E_INTERNAL", `Of the file "${info.key}" ${bytes} of ${info.size} bytes could be read.`);
  }
}

function toTenantFile({ info, body }: Fetched, prefix: string): TenantFile {
  const key = info.key.slice(prefix.length);
  return {
    entry: filesFolder + key,
    key,
    contentType: info.contentType,
    lastModified: info.lastModified.toISOString(),
    body,
  };
}

/** What was written. */
export interface RestoredFiles {
  readonly files: number;
  readonly bytes: number;
}

/**
 * Writes the archive's files under a tenant's prefix, over what has the same key; others stay (`purge` first where none
 * may). Safe to repeat. @throws E_ARCHIVE_DAMAGED, E_DISK_FULL
 */
export async function restoreFiles(
  archive: Archive,
  target: { readonly objects: Pick<Objects, "put">; readonly slug: string },
): Promise<RestoredFiles> {
  const restored = { files: 0, bytes: 0 };
  for await (const file of archive.files()) {
    // Also an empty or small one is put as a stream: it fails, and with it the put, when its bytes are not the manifest's.
    const body = await archive.read(file);
    await target.objects.put({ key: fileKey(target.slug, file.key), body, contentType: file.contentType });
    restored.files++;
    restored.bytes += file.bytes;
  }
  return restored;
}
