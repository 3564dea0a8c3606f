import { randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { HeadObjectCommand, PutObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { fault } from "../core/error.ts";
import type { PutObject } from "../ports/objects.ts";
import { isAwsError } from "./fault.ts";

/**
 * Parts of a streamed body; four are in memory at a time. S3 takes 10,000 of them, so that a stream may be 78 GiB long
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html).
 */
const partBytes = 8 * 1024 * 1024;
const partsAtOnce = 4;

/** Metadata of an object that tells which write made it. */
const writeIdName = "rowhouse-write";

/**
 * A condition that does not hold: 412, or 404 where the object to replace is not there; 409 when another write to the
 * key came in between (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
 */
const conflicts = ["PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey"];

/** An upload that was completed, or one that was removed as left behind. */
const uploadGone = "NoSuchUpload";

/** What S3 answers to a write. */
export interface WrittenObject {
  readonly etag: string | undefined;
  readonly versionId: string | undefined;
  /** Bytes. */
  readonly size: number;
}

/**
 * Writes bytes by one PUT, and a stream in parts, whose upload is aborted when anything fails.
 * @throws E_CONFLICT when the condition does not hold, and whatever the stream fails with
 */
export async function writeObject(
  client: S3Client,
  bucket: string,
  object: PutObject & { readonly contentType: string },
): Promise<WrittenObject> {
  const { key, body, contentType, condition } = object;
  const writeId = randomUUID();
  const input = {
    Bucket: bucket,
    Key: key,
    ContentType: contentType,
    Metadata: { [writeIdName]: writeId },
    ...(condition && "ifMatch" in condition ? { IfMatch: condition.ifMatch } : {}),
    ...(condition && "ifNoneMatch" in condition ? { IfNoneMatch: condition.ifNoneMatch } : {}),
  };
  const counted = body instanceof Uint8Array ? { size: body.length, body } : countBytes(body);
  try {
    const { ETag, VersionId } =
      counted.body instanceof Uint8Array
        ? await client.send(new PutObjectCommand({ ...input, Body: counted.body }))
        : await new Upload({
            client,
            params: { ...input, Body: counted.body },
            partSize: partBytes,
            queueSize: partsAtOnce,
          }).done();
    return { etag: ETag, versionId: VersionId, size: counted.size };
  } catch (error) {
    if (body instanceof Readable) body.destroy();
    if (!isAwsError(error, uploadGone, ...conflicts)) throw error;
    const written = await findLostWrite(client, input, { writeId, error });
    if (written) return { ...written, size: counted.size };
    if (!condition || isAwsError(error, uploadGone)) throw error;
    throw fault("E_CONFLICT", `The object "${key}" was changed by someone else in between.`, {
      cause: error,
    });
  }
}

/**
 * The object as an earlier attempt of this write left it, whose answer was lost: the attempt after it then meets its
 * own write, and must not be taken for a conflict.
 */
async function findLostWrite(
  client: S3Client,
  { Bucket, Key }: { readonly Bucket: string; readonly Key: string },
  write: { readonly writeId: string; readonly error: Error },
): Promise<Omit<WrittenObject, "size"> | undefined> {
  const { attempts = 1 } = (write.error as { $metadata?: { attempts?: number } }).$metadata ?? {};
  if (attempts === 1) return undefined;
  const found = await client
    .send(new HeadObjectCommand({ Bucket, Key }))
    .catch((error: unknown) => (isAwsError(error, "NotFound") ? undefined : Promise.reject(error)));
  if (found?.Metadata?.[writeIdName] !== write.writeId) return undefined;
  return { etag: found.ETag, versionId: found.VersionId };
}

/** The same stream, whose size is known once it was read. */
function countBytes(source: Readable): { readonly body: Readable; readonly size: number } {
  let size = 0;
  async function* read() {
    for await (const chunk of source) {
      const bytes: Uint8Array = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      size += bytes.length;
      yield bytes;
    }
  }
  return {
    body: Readable.from(read()),
    get size() {
      return size;
    },
  };
}
