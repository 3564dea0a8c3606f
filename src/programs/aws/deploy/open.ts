import { readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { ReleasePackage } from "../../../api/region-rpc.ts";
import { type AwsAccess, createAwsClient } from "../../../aws/client.ts";
import { requireSecret } from "../../../aws/control-login.ts";
import { awsNames } from "../../../aws/resources.ts";
import { deploymentSteps, synthesize } from "../../../aws/stacks/synthesize.ts";
import type { Template } from "../../../aws/stacks/template.ts";
import { buildRelease } from "../../../control/release/build.ts";
import type { StatusDocument } from "../../../control/status.ts";
import type { Config } from "../../../core/config/schema.ts";
import { fault } from "../../../core/error.ts";
import { createSystemClock } from "../../../node/clock.ts";
import type { StackProgress } from "../../../ports/stacks.ts";
import { Deployment } from "./deployment.ts";
import { serverUserData } from "./server-user-data.ts";
import { packSoftware } from "./software.ts";

export interface OpenDeploymentOptions {
  readonly config: Config;
  readonly configFile: string;
  readonly stateDirectory: string;
  readonly packageRoot: string;
  /** Version of Rowhouse. */
  readonly version: string;
  readonly accessTo: (region: string) => AwsAccess;
  readonly onProgress: StackProgress;
}

export interface OpenDeployment {
  readonly deployment: Deployment;
  readonly release: ReleasePackage;
  /** Resolves when the control plane says that the regions serve, and lets tenants in. @throws E_REGION_UNAVAILABLE */
  untilServing(regions: readonly string[], onProgress: StackProgress): Promise<void>;
}

/** Builds the application and what servers run, and looks at the account. Nothing is changed there yet. */
export async function openDeployment(options: OpenDeploymentOptions): Promise<OpenDeployment> {
  const { config, configFile, stateDirectory, packageRoot, version, accessTo, onProgress } = options;
  const folder = join(stateDirectory, "aws");
  onProgress("building the application");
  const { manifest, sha256, zipFile } = await buildRelease({
    appFile: resolve(dirname(configFile), config.app),
    outputFolder: join(folder, "releases"),
  });
  const packed = await packSoftware({ packageRoot, folder: join(folder, "software"), onProgress });
  onProgress("looking at the account");
  const deployment = await Deployment.open({ config, version, accessTo, clock: createSystemClock(), packed });
  return {
    deployment,
    release: { version: manifest.version, sha256, zip: await readFile(zipFile) },
    untilServing: async (regions, onProgress) => {
      const { apiUrl } = await deployment.global();
      const { prefix, controlRegion } = config.aws;
      const secrets = createAwsClient(SecretsManagerClient, accessTo(controlRegion));
      const token = await requireSecret(secrets, awsNames.operatorToken(prefix));
      await untilServing({ apiUrl, token, regions, onProgress });
      for (const name of regions) await openToTenants(apiUrl, token, name);
    },
  };
}

const patienceMilliseconds = 20 * 60_000;
const pollMilliseconds = 5000;

async function untilServing(parts: {
  readonly apiUrl: string;
  readonly token: string;
  readonly regions: readonly string[];
  readonly onProgress: StackProgress;
}): Promise<void> {
  const clock = createSystemClock();
  const { apiUrl, token, regions, onProgress } = parts;
  let shown = "";
  for (
    const deadline = clock.elapsedMilliseconds() + patienceMilliseconds;
    ;
    await clock.sleep(pollMilliseconds)
  ) {
    const statuses = await statusOf(apiUrl, token);
    const waited = regions.map((name) => `${name} ${statuses.get(name) ?? "does not answer yet"}`).join(", ");
    if (waited !== shown) onProgress(waited);
    shown = waited;
    if (regions.every((name) => statuses.get(name) === "ready")) return;
    if (clock.elapsedMilliseconds() > deadline) {
      throw fault("E_REGION_UNAVAILABLE", `The stacks are there, but not all regions serve: ${waited}.`, {
        remedy:
          "The journal of a server says why (docs/aws.md: Look inside a server); `rowhouse status` shows how it goes on.",
      });
    }
  }
}

/** One that was deleted before is shut. */
async function openToTenants(apiUrl: string, token: string, name: string): Promise<void> {
  const response = await fetch(`${apiUrl}/v1/regions`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ name }),
  });
  if (response.ok) return;
  throw fault(
    "E_REGION_UNAVAILABLE",
    `The control plane did not open ${name}: ${(await response.text()).slice(0, 200)}.`,
  );
}

/** Empty while the control plane is still starting, or its name not known everywhere. */
async function statusOf(apiUrl: string, token: string): Promise<ReadonlyMap<string, string>> {
  try {
    const response = await fetch(`${apiUrl}/v1/status`, { headers: { authorization: `Bearer ${token}` } });
    if (!response.ok) return new Map();
    const { regions } = (await response.json()) as StatusDocument;
    return new Map(regions.map(({ name, status }) => [name, status]));
  } catch {
    return new Map();
  }
}

/** Stands for what is only known once the software is packed. */
const unpacked = {
  node: { version: "0.0.0", sha256: {} },
  rowhouse: { version: "0.0.0", sha256: "0".repeat(64) },
};

/** For what needs the names of what is there alone. */
export function openForRemoval(
  options: Pick<OpenDeploymentOptions, "config" | "version" | "accessTo">,
): Promise<Deployment> {
  return Deployment.open({
    ...options,
    clock: createSystemClock(),
    packed: { software: unpacked, archives: [] },
  });
}

/** All templates of a config, in the order of their deployment. Asks nothing of the account. */
export function synthesizeAll(config: Config, accountId: string): readonly Template[] {
  const templates = synthesize({
    config,
    accountId,
    userData: (server) => serverUserData(config, server, unpacked),
  });
  return deploymentSteps(templates).flat();
}
