import { HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { regionDocumentKey } from "../../aws/resources.ts";
import { repeat } from "../../control/repeat.ts";
import { toRowhouseError } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import { logLine } from "../log-line.ts";

const pauseMilliseconds = 10_000;

/**
 * Ends this program in order once a deployment has written another document, so that systemd starts it on the new one:
 * a config that names another region or plan counts without a new server.
 */
export function endWhenDocumentChanges(parts: {
  readonly client: S3Client;
  readonly bucket: string;
  readonly clock: Clock;
}): { stop(): Promise<void> } {
  const { client, bucket, clock } = parts;
  let first: string | undefined;
  const onFault = (error: unknown) =>
    logLine({ level: "warn", message: `document: ${toRowhouseError(error).message}` });
  return repeat({ clock, pauseMilliseconds, onFault }, async () => {
    const { ETag } = await client.send(new HeadObjectCommand({ Bucket: bucket, Key: regionDocumentKey }));
    first ??= ETag;
    if (ETag === first) return;
    logLine({ level: "info", message: "the deployment changed: starting again" });
    process.kill(process.pid, "SIGTERM");
  });
}
