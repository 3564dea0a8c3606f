import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fault } from "../core/error.ts";
import {
  checkContentType,
  checkObjectKey,
  checkObjectPrefix,
  checkPurgePrefix,
  checkUrlExpiry,
  clipRange,
  defaultContentType,
  pageLength,
} from "../core/object/key.ts";
import type { Clock } from "../ports/clock.ts";
import type { ObjectInfo, Objects, ObjectVersion, PutObject } from "../ports/objects.ts";
import { ObjectBodies } from "./object-bodies.ts";
import { type IndexedVersion, ObjectIndex, type VersionPlace } from "./object-index.ts";
import { type SigningKey, signObjectPath } from "./object-url.ts";

export { createObjectsHandler } from "./objects-handler.ts";

/** The objects of a region, and what their owner has to do for them. */
export interface FileObjects extends Objects {
  /** Removes what crashed writers left and returns how many files that were. Call it at the start and once a day. */
  sweep(): Promise<number>;
  /** Waits for writes under way; nothing may be asked for afterwards. */
  close(): Promise<void>;
}

export interface FileObjectsOptions {
  /** May be shared by any number of processes of this machine. */
  readonly folder: string;
  readonly signingKey: SigningKey;
  readonly clock: Clock;
  /** Goes before signed paths, as in `https://acme.example.com`; without it they are relative to the tenant's host. */
  readonly baseUrl?: string;
}

/** How many versions one transaction of a purge removes. */
const purgeBatch = 500;

/** Opens the objects in a folder, and makes it when absent: bodies are files, and an index says what they are. */
export async function createObjects(options: FileObjectsOptions): Promise<FileObjects> {
  await mkdir(options.folder, { recursive: true, mode: 0o700 });
  const bodies = new ObjectBodies(options.folder);
  await bodies.create();
  return new FolderObjects(options, bodies, new ObjectIndex(join(options.folder, "index.sqlite")));
}

class FolderObjects implements FileObjects {
  readonly #options: FileObjectsOptions;
  readonly #bodies: ObjectBodies;
  readonly #index: ObjectIndex;

  constructor(options: FileObjectsOptions, bodies: ObjectBodies, index: ObjectIndex) {
    this.#options = options;
    this.#bodies = bodies;
    this.#index = index;
  }

  async put({ key, body, contentType = defaultContentType, condition }: PutObject): Promise<ObjectInfo> {
    checkObjectKey(key);
    checkContentType(contentType);
    const staged = await this.#bodies.stage(newId(), body);
    const version: IndexedVersion = {
      key,
      versionId: staged.id,
      size: staged.size,
      etag: `"${staged.sha256}"`,
      contentType,
      lastModified: this.#options.clock.now(),
    };
    const added = await this.#index.add(version, condition).catch(async (error: unknown) => {
      // The commit may have come through although it was reported as failed: what the index says now decides.
      await this.#bodies.settle(staged.id, (await this.#index.version(key, staged.id)) !== undefined);
      throw error;
    });
    await this.#bodies.settle(staged.id, added);
    if (!added) throw fault("E_CONFLICT", `The object "${key}" was changed by someone else in between.`);
    return version;
  }

  async get(
    key: string,
    options: {
      readonly versionId?: string;
      readonly range?: { readonly start: number; readonly end: number };
    } = {},
  ): Promise<{ readonly info: ObjectInfo; readonly body: Readable } | undefined> {
    checkObjectKey(key);
    for (;;) {
      const info = await this.#find(key, options.versionId);
      if (!info) return undefined;
      const range = options.range ? clipRange(options.range, info.size) : {};
      const file = await this.#bodies.open(info.versionId);
      if (file) return { info, body: file.createReadStream(range) };
      // Deleted between the two looks; a body that is gone without that is a fault, not an absent object.
      if ((await this.#find(key, options.versionId))?.versionId === info.versionId) {
        throw fault("E_INTERNAL", `The object "${key}" has lost its file ${info.versionId}.`);
      }
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkObjectKey(key);
    return this.#index.current(key);
  }

  async list({ prefix, after = "", limit }: { prefix: string; after?: string; limit?: number }) {
    checkObjectPrefix(prefix);
    checkObjectPrefix(after);
    const length = pageLength(limit);
    const found = await this.#index.list(prefix, after, length + 1);
    const objects = found
      .slice(0, length)
      .map(({ key, size, etag, lastModified }) => ({ key, size, etag, lastModified }));
    const last = objects.at(-1);
    return found.length > length && last ? { objects, next: last.key } : { objects };
  }

  async versions(key: string): Promise<readonly ObjectVersion[]> {
    checkObjectKey(key);
    return (await this.#index.versions(key)).map(({ contentType: _, ...version }) => version);
  }

  async listVersions({ prefix, after, limit }: { prefix: string; after?: string; limit?: number }) {
    checkObjectPrefix(prefix);
    const length = pageLength(limit);
    const place = after === undefined ? undefined : readPlace(after);
    const found = await this.#index.versionsUnder(prefix, place, length + 1);
    const page = found.slice(0, length);
    const versions = page.map(({ contentType: _, sequence: __, ...version }) => version);
    const last = page.at(-1);
    return found.length > length && last ? { versions, next: writePlace(last) } : { versions };
  }

  async delete(key: string, options: { readonly versionId?: string } = {}): Promise<void> {
    checkObjectKey(key);
    if (options.versionId === undefined) return this.#index.hide(key, newId());
    if (await this.#index.remove(key, options.versionId)) await this.#bodies.remove([options.versionId]);
  }

  async purge(prefix: string): Promise<number> {
    checkPurgePrefix(prefix);
    let purged = 0;
    for (;;) {
      const { removed, versionIds } = await this.#index.removeUnder(prefix, purgeBatch);
      await this.#bodies.remove(versionIds);
      purged += versionIds.length;
      if (removed < purgeBatch) return purged;
    }
  }

  async url(key: string, { expiresInSeconds }: { readonly expiresInSeconds: number }): Promise<string> {
    checkObjectKey(key);
    checkUrlExpiry(expiresInSeconds);
    const now = Math.floor(this.#options.clock.now().getTime() / 1000);
    const path = signObjectPath(key, now + expiresInSeconds, this.#options.signingKey);
    return `${this.#options.baseUrl ?? ""}${path}`;
  }

  sweep(): Promise<number> {
    return this.#bodies.sweep((first, end) => this.#index.versionIds(first, end));
  }

  close(): Promise<void> {
    return this.#index.close();
  }

  #find(key: string, versionId: string | undefined): Promise<IndexedVersion | undefined> {
    return versionId === undefined ? this.#index.current(key) : this.#index.version(key, versionId);
  }
}

function newId(): string {
  return randomUUID().replaceAll("-", "");
}

function writePlace({ key, sequence }: VersionPlace): string {
  return `${sequence}.${Buffer.from(key).toString("base64url")}`;
}

function readPlace(text: string): VersionPlace {
  const [, sequence, key] = /^(\d{1,15})\.([\w-]+)$/.exec(text) ?? [];
  if (sequence === undefined || key === undefined)
    throw fault("E_ARGUMENT", "This is no place in a list of versions.");
  return { key: Buffer.from(key, "base64url").toString(), sequence: Number(sequence) };
}
