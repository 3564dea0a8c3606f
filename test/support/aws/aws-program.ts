import { createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";

/**
 * The one command of the AWS CLI that a server needs, where the CLI is not installed:
 * `aws s3 cp [--only-show-errors] --region <region> s3://<bucket>/<key> <file>`.
 */
const { values, positionals } = parseArgs({
  options: { region: { type: "string" }, "only-show-errors": { type: "boolean" } },
  allowPositionals: true,
});
const [service, command, source = "", target = ""] = positionals;
const [, Bucket, Key] = /^s3:\/\/([^/]+)\/(.+)$/.exec(source) ?? [];
if (
  service !== "s3" ||
  command !== "cp" ||
  Key === undefined ||
  target === "" ||
  values.region === undefined
) {
  process.stderr.write(`This aws knows only how to fetch one object: ${process.argv.slice(2).join(" ")}\n`);
  process.exit(252);
}
const client = new S3Client({ region: values.region, forcePathStyle: true });
try {
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
  await pipeline(Body as Readable, createWriteStream(target));
} catch (error) {
  process.stderr.write(`fatal error: ${source}: ${error}\n`);
  process.exit(1);
}
