import { HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { isAwsError } from "../../aws/fault.ts";
import { regionDocumentKey } from "../../aws/resources.ts";
import { repeat } from "../../control/repeat.ts";
import { toRowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import { logLine } from "../log-line.ts";

const pauseMilliseconds = 10_000;

/**
 * Ends this program in order once a deployment has written another document, so that systemd starts it on the new one:
 * a config that names another region or plan counts without a new server. A document that is not there yet, as another
 * region's, counts when it comes.
 */
export function endWhenDocumentChanges(parts: {
  readonly client: S3Client;
  readonly bucket: string;
  readonly clock: Clock;
}): { stop(): Promise<void> } {
  const { client, bucket, clock } = parts;
  let first: { readonly etag: string | undefined } | undefined;
  const onFault = (error: unknown) =>
    logLine({ level: "warn", message: `document: ${toRowhouseError(error).message}` });
  return repeat({ clock, pauseMilliseconds, onFault }, async () => {
    const command = new HeadObjectCommand({ Bucket: bucket, Key: regionDocumentKey });
    const etag = (await client.send(command).catch(unlessMissing))?.ETag;
    first ??= { etag };
    if (etag === first.etag || etag === undefined) return;
    logLine({ level: "info", message: "the deployment changed: starting again" });
    process.kill(process.pid, "SIGTERM");
  });
}

function unlessMissing(error: unknown): undefined {
  if (!isAwsError(error, "NotFound", "NoSuchKey", "NoSuchBucket")) throw error;
  return undefined;
}
