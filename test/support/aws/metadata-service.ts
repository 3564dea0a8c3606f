import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { AwsAccess } from "../../../src/aws/client.ts";

export interface MetadataServiceOptions {
  readonly instanceId: string;
  readonly region: string;
  readonly zone: string;
  readonly address: string;
  readonly tags: Readonly<Record<string, string>>;
  /** What a role on the machine may do. */
  readonly credentials?: AwsAccess["credentials"];
}

export interface MetadataService {
  /** For AWS_EC2_METADATA_SERVICE_ENDPOINT. */
  readonly endpoint: string;
  /** Paths that were asked for, in order. */
  readonly requests: readonly string[];
  stop(): Promise<void>;
}

const role = "rowhouse";
const hourMilliseconds = 3_600_000;

/** One machine's instance metadata service, as with `HttpTokens: required`: without a token of version 2 it refuses. */
export async function startMetadataService(options: MetadataServiceOptions): Promise<MetadataService> {
  const documents = metadata(options);
  const tokens = new Set<string>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "").replace(/\/$/, "");
    requests.push(path);
    const answer = (status: number, text: string) =>
      response.writeHead(status, { "content-type": "text/plain" }).end(text);
    if (path === "/latest/api/token") {
      const seconds = Number(request.headers["x-aws-ec2-metadata-token-ttl-seconds"]);
      if (request.method !== "PUT" || !(seconds >= 1 && seconds <= 21_600)) return answer(400, "Bad Request");
      const token = randomBytes(20).toString("base64");
      tokens.add(token);
      response.setHeader("x-aws-ec2-metadata-token-ttl-seconds", seconds);
      return answer(200, token);
    }
    if (!tokens.has(String(request.headers["x-aws-ec2-metadata-token"]))) return answer(401, "Unauthorized");
    const text = documents()[path.replace("/latest/", "")];
    return text === undefined ? answer(404, "Not Found") : answer(200, text);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** All paths below `/latest/` that are known, at the time of the call. */
function metadata(options: MetadataServiceOptions): () => Record<string, string> {
  const { instanceId, region, zone, address, tags, credentials } = options;
  const tagPaths = Object.entries(tags).map(([key, value]) => [`meta-data/tags/instance/${key}`, value]);
  return () => ({
    "meta-data/instance-id": instanceId,
    "meta-data/local-ipv4": address,
    "meta-data/placement/region": region,
    "meta-data/placement/availability-zone": `${region}${zone}`,
    "meta-data/tags/instance": Object.keys(tags).join("\n"),
    "dynamic/instance-identity/document": JSON.stringify({
      ...{ instanceId, region, privateIp: address, availabilityZone: `${region}${zone}` },
    }),
    ...Object.fromEntries(tagPaths),
    ...(credentials === undefined ? {} : roleDocuments(credentials)),
  });
}

function roleDocuments(credentials: NonNullable<AwsAccess["credentials"]>): Record<string, string> {
  const now = Date.now();
  return {
    "meta-data/iam/security-credentials": role,
    [`meta-data/iam/security-credentials/${role}`]: JSON.stringify({
      Code: "Success",
      Type: "AWS-HMAC",
      LastUpdated: new Date(now).toISOString(),
      Expiration: new Date(now + hourMilliseconds).toISOString(),
      AccessKeyId: credentials.accessKeyId,
      SecretAccessKey: credentials.secretAccessKey,
      Token: credentials.sessionToken ?? "",
    }),
  };
}
