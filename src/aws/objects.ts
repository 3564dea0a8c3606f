import { Readable } from "node:stream";
import {
  type DeleteMarkerEntry,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  type _Error as DeletionError,
  GetObjectCommand,
  HeadObjectCommand,
  type HeadObjectCommandOutput,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandInput,
  type ListObjectVersionsCommandOutput,
  paginateListObjectsV2,
  type S3Client,
  type ObjectVersion as S3Version,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { fault } from "../core/error.ts";
import { contentDisposition, isShownInline } from "../core/object/disposition.ts";
import {
  checkContentType,
  checkObjectKey,
  checkObjectPrefix,
  checkPurgePrefix,
  checkRange,
  checkUrlExpiry,
  defaultContentType,
  pageLength,
  rangeFault,
} from "../core/object/key.ts";
import type { Clock } from "../ports/clock.ts";
import type { ListedObject, ObjectInfo, Objects, ObjectVersion, PutObject } from "../ports/objects.ts";
import { isAwsError, toAwsFault } from "./fault.ts";
import { writeObject } from "./object-write.ts";

/** What S3 calls an object or version that is not there; MethodNotAllowed is a delete marker that was asked for. */
const absent = ["NoSuchKey", "NotFound", "NoSuchVersion", "MethodNotAllowed"];

const renewalMilliseconds = 60_000;

/** Where a page of versions ended. */
type VersionMarkers = Pick<ListObjectVersionsCommandInput, "KeyMarker" | "VersionIdMarker" | "MaxKeys">;

/** Where to read: a key, and a version of it. */
interface Place {
  readonly Bucket: string;
  readonly Key: string;
  readonly VersionId?: string;
}

/**
 * A region's bucket on S3, with versioning on. Reads see all finished writes (S3 is strongly consistent). `put` says its
 * time by this machine's clock; S3's own is in lists and in `head`.
 *
 * Parts that a crash leaves of a streamed write are seen by nobody and cost money until the bucket's lifecycle rule
 * removes them (`AbortIncompleteMultipartUpload`).
 *
 * Needs `s3:ListBucket` and `s3:ListBucketVersions` on the bucket; `s3:GetObject`, `s3:GetObjectVersion`, `s3:PutObject`,
 * `s3:AbortMultipartUpload`, `s3:DeleteObject`, `s3:DeleteObjectVersion` on its keys. Without `s3:ListBucket` S3 answers 403
 * for a key that is not there, and `get` and `head` throw E_AWS_ACCESS in place of `undefined`.
 */
export function createObjects(options: {
  /** Made with `forcePathStyle` where the access has an endpoint of its own. */
  readonly client: S3Client;
  readonly bucket: string;
  readonly clock: Clock;
}): Objects {
  return new BucketObjects(options);
}

class BucketObjects implements Objects {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #clock: Clock;
  #renewedAt = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly client: S3Client; readonly bucket: string; readonly clock: Clock }) {
    this.#client = options.client;
    this.#bucket = options.bucket;
    this.#clock = options.clock;
  }

  async put(object: PutObject): Promise<ObjectInfo> {
    const { key, contentType = defaultContentType } = object;
    checkObjectKey(key);
    checkContentType(contentType);
    const written = await writeObject(this.#client, this.#bucket, { ...object, contentType });
    const { etag, versionId, size } = written;
    return { ...identify(key, etag, versionId), size, contentType, lastModified: this.#clock.now() };
  }

  async get(
    key: string,
    options: {
      readonly versionId?: string;
      readonly range?: { readonly start: number; readonly end: number };
    } = {},
  ): Promise<{ readonly info: ObjectInfo; readonly body: Readable } | undefined> {
    checkObjectKey(key);
    const { versionId, range } = options;
    if (range) checkRange(range);
    const Range = range && `bytes=${range.start}-${range.end}`;
    const command = new GetObjectCommand({ ...this.#place(key, versionId), ...(Range && { Range }) });
    const found = await this.#client.send(command).catch((error: unknown) => {
      if (range && isAwsError(error, "InvalidRange")) throw rangeFault(range);
      return absentOr(error, versionId);
    });
    if (!found) return undefined;
    const { Body, ContentRange } = found;
    if (!(Body instanceof Readable)) throw fault("E_INTERNAL", `S3 sent no stream for "${key}".`);
    const size = ContentRange === undefined ? undefined : Number(ContentRange.split("/")[1]);
    return {
      info: describe(key, { ...found, ...(size === undefined ? {} : { ContentLength: size }) }),
      body: Body,
    };
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    checkObjectKey(key);
    const found = await this.#client
      .send(new HeadObjectCommand(this.#place(key)))
      .catch((error: unknown) => absentOr(error));
    return found && describe(key, found);
  }

  async list({ prefix, after, limit }: { prefix: string; after?: string; limit?: number }) {
    checkObjectPrefix(prefix);
    checkObjectPrefix(after ?? "");
    const length = pageLength(limit);
    const found: ListedObject[] = [];
    let goesOn = false;
    // A page of S3's may be shorter than asked for without being the last.
    for await (const page of paginateListObjectsV2(
      { client: this.#client, pageSize: length },
      { Bucket: this.#bucket, Prefix: prefix, ...(after ? { StartAfter: after } : {}) },
    )) {
      for (const { Key = "", Size = 0, ETag = "", LastModified = new Date(0) } of page.Contents ?? [])
        found.push({ key: Key, size: Size, etag: ETag, lastModified: LastModified });
      goesOn = page.IsTruncated === true || found.length > length;
      if (found.length >= length) break;
    }
    const objects = found.slice(0, length);
    const last = objects.at(-1);
    return goesOn && last ? { objects, next: last.key } : { objects };
  }

  async versions(key: string): Promise<readonly ObjectVersion[]> {
    checkObjectKey(key);
    const versions: ObjectVersion[] = [];
    // The SDK has no paginator for versions.
    for (let markers: VersionMarkers | undefined = {}; markers; ) {
      const page: ListObjectVersionsCommandOutput = await this.#listVersions(key, markers);
      const { Versions = [], DeleteMarkers = [] } = page;
      for (const { Key, ETag, VersionId, Size = 0, LastModified = new Date(0) } of Versions)
        if (Key === key)
          versions.push({ ...identify(key, ETag, VersionId), size: Size, lastModified: LastModified });
      // Of all keys that begin with this one, this one comes first.
      const isPast = [...Versions, ...DeleteMarkers].some(({ Key }) => Key !== key);
      const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page;
      markers = page.IsTruncated === true && !isPast ? { KeyMarker, VersionIdMarker } : undefined;
    }
    return versions;
  }

  async listVersions({ prefix, after, limit }: { prefix: string; after?: string; limit?: number }) {
    checkObjectPrefix(prefix);
    const markers = { MaxKeys: pageLength(limit), ...(after === undefined ? {} : readPlace(after)) };
    const page = await this.#listVersions(prefix, markers);
    const versions = (page.Versions ?? []).map(({ Key = "", ETag, VersionId, Size = 0, LastModified }) => ({
      ...identify(Key, ETag, VersionId),
      size: Size,
      lastModified: LastModified ?? new Date(0),
    }));
    const { NextKeyMarker: KeyMarker, NextVersionIdMarker: VersionIdMarker } = page;
    return page.IsTruncated === true
      ? { versions, next: writePlace({ KeyMarker, VersionIdMarker }) }
      : { versions };
  }

  async delete(key: string, { versionId }: { readonly versionId?: string } = {}): Promise<void> {
    checkObjectKey(key);
    await this.#client
      .send(new DeleteObjectCommand(this.#place(key, versionId)))
      .catch((error: unknown) => absentOr(error, versionId));
  }

  async purge(prefix: string): Promise<number> {
    checkPurgePrefix(prefix);
    let purged = 0;
    for (;;) {
      // Always the first page, of 1,000 versions and markers, as many as one deletion takes: so nothing is passed by
      // that is written meanwhile.
      const page = await this.#listVersions(prefix);
      const { Versions = [], DeleteMarkers = [] } = page;
      await this.#deleteAll([...Versions, ...DeleteMarkers]);
      purged += Versions.length;
      if (page.IsTruncated !== true) return purged;
    }
  }

  /**
   * The bucket's own address. A HEAD finds out the type, so that S3 serves the object as the application's host would:
   * what a browser could run is saved, not shown. It lives no longer than the credentials that signed it, and those of a server's role live 6 hours at most
   * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html).
   */
  async url(key: string, { expiresInSeconds }: { readonly expiresInSeconds: number }): Promise<string> {
    checkObjectKey(key);
    checkUrlExpiry(expiresInSeconds);
    const contentType = (await this.head(key))?.contentType;
    const command = new GetObjectCommand({
      ...this.#place(key),
      ResponseContentDisposition: contentDisposition(key, contentType),
      ResponseCacheControl: `private, max-age=${expiresInSeconds}`,
      // Whatever is put there until the URL is used is shown as what was found to be safe to show.
      ...(contentType && isShownInline(contentType) ? { ResponseContentType: contentType } : {}),
    });
    await this.#renewCredentials(expiresInSeconds);
    return getSignedUrl(this.#client, command, { expiresIn: expiresInSeconds });
  }

  /** Gets newer credentials where those at hand end before the URL would. There may be none yet: it asks once a minute. */
  async #renewCredentials(expiresInSeconds: number): Promise<void> {
    const { expiration } = await this.#client.config.credentials();
    if (!expiration || expiration.getTime() >= this.#clock.now().getTime() + expiresInSeconds * 1000) return;
    const now = this.#clock.elapsedMilliseconds();
    if (now - this.#renewedAt < renewalMilliseconds) return;
    this.#renewedAt = now;
    await this.#client.config.credentials({ forceRefresh: true });
  }

  #place(key: string, versionId?: string): Place {
    return { Bucket: this.#bucket, Key: key, ...(versionId === undefined ? {} : { VersionId: versionId }) };
  }

  #listVersions(prefix: string, markers: VersionMarkers = {}): Promise<ListObjectVersionsCommandOutput> {
    return this.#client.send(
      new ListObjectVersionsCommand({ Bucket: this.#bucket, Prefix: prefix, ...markers }),
    );
  }

  async #deleteAll(found: readonly (S3Version | DeleteMarkerEntry)[]): Promise<void> {
    if (found.length === 0) return;
    const Objects = found.map(({ Key, VersionId }) => ({ Key, VersionId }));
    const { Errors = [] } = await this.#client.send(
      new DeleteObjectsCommand({ Bucket: this.#bucket, Delete: { Objects, Quiet: true } }),
    );
    const [first] = Errors;
    if (first) throw deletionFault(first);
  }
}

/** `undefined` for what is not there, an id that no version can have included; else throws the error. */
function absentOr(error: unknown, versionId?: string): undefined {
  if (isAwsError(error, ...absent)) return;
  if (versionId !== undefined && isAwsError(error, "InvalidArgument")) return;
  throw error;
}

/** S3 names one version in a bucket without versioning: "null". */
function identify(key: string, etag = "", versionId = "null") {
  return { key, etag, versionId };
}

function describe(
  key: string,
  found: Pick<
    HeadObjectCommandOutput,
    "ETag" | "VersionId" | "ContentLength" | "ContentType" | "LastModified"
  >,
): ObjectInfo {
  return {
    ...identify(key, found.ETag, found.VersionId),
    size: found.ContentLength ?? 0,
    contentType: found.ContentType ?? defaultContentType,
    lastModified: found.LastModified ?? new Date(0),
  };
}

/** The fault of one key of a deletion, which S3 tells in an answer that has not failed. */
function deletionFault(error: DeletionError): unknown {
  const { Key = "", Code = "InternalError", Message = "" } = error;
  const thrown = Object.assign(new Error(`"${Key}" was not deleted: ${Message || Code}`), {
    name: Code,
    $fault: Code === "InternalError" ? "server" : "client",
  });
  return toAwsFault(thrown);
}

function writePlace({ KeyMarker = "", VersionIdMarker = "" }: VersionMarkers): string {
  return Buffer.from(JSON.stringify([KeyMarker, VersionIdMarker])).toString("base64url");
}

function readPlace(text: string): VersionMarkers {
  try {
    const [KeyMarker, VersionIdMarker] = JSON.parse(Buffer.from(text, "base64url").toString()) as string[];
    return { ...(KeyMarker && { KeyMarker }), ...(VersionIdMarker && { VersionIdMarker }) };
  } catch (cause) {
    throw fault("E_ARGUMENT", "This is no place in a list of versions.", { cause });
  }
}
