import { buffer } from "node:stream/consumers";
import type { Config } from "../core/config/schema.ts";
import { fault, toRowhouseError } from "../core/error.ts";
import { instancesDomain } from "../core/fleet/instances-domain.ts";
import { releaseKey } from "../core/release/key.ts";
import type { DataPlatform } from "../ports/platform.ts";
import type { RegistryAttributes } from "../ports/registry.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { ReleaseAssets, registerAssets } from "./assets.ts";
import { loadApplication, unpackRelease } from "./release.ts";
import { type ObjectsHandler, type RunningInstance, startInstance } from "./server.ts";

export interface Bootstrap {
  readonly platform: DataPlatform;
  /** The region's control database. */
  readonly regionPool: WriterPool;
  readonly regionConnection: ConnectOptions;
  readonly objectsHandler?: ObjectsHandler;
  /** Where another region's balancer is reached from here, if it is. */
  readonly balancerUrl?: (region: string) => string | undefined;
  readonly config: Config;
  readonly internalToken: string;
  readonly instanceId: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** The instance's own disk. */
  readonly folder: string;
}

/**
 * From a bare server to a serving instance: reads in the registry what to run, fetches that release, checks its
 * hash, unpacks and starts it, and reports its status.
 * @throws E_NOT_FOUND when nobody wrote down what to run, E_RELEASE_CORRUPT, E_APP_INVALID
 */
export async function bootstrap(options: Bootstrap): Promise<RunningInstance> {
  const { platform, instanceId } = options;
  const item = await platform.registry.get(instancesDomain, instanceId);
  if (!item) throw fault("E_NOT_FOUND", `The registry has no instance "${instanceId}".`);
  try {
    const running = await runRelease(options, item.attributes);
    await platform.registry.update(instancesDomain, instanceId, {
      status: "running",
      address: running.address,
    });
    return running;
  } catch (error) {
    const { message } = toRowhouseError(error);
    await platform.registry
      .update(instancesDomain, instanceId, { status: "failed", error: message })
      .catch(() => {});
    throw error;
  }
}

async function runRelease(options: Bootstrap, attributes: RegistryAttributes): Promise<RunningInstance> {
  const { platform, instanceId } = options;
  const { release, sha256, zone } = attributes;
  const stored = await platform.objects.get(releaseKey(String(release)));
  if (!stored) throw fault("E_RELEASE_CORRUPT", `The zip of the release ${release} is missing.`);
  const folder = `${options.folder}/release`;
  const manifest = await unpackRelease({ zip: await buffer(stored.body), sha256: String(sha256), folder });
  const assets = new ReleaseAssets(`${folder}/assets`, manifest.assets);
  registerAssets(assets);
  const application = await loadApplication(folder);
  return startInstance({
    application,
    platform,
    regionPool: options.regionPool,
    regionConnection: options.regionConnection,
    config: options.config,
    identity: { instanceId, zone: String(zone), region: platform.region, release: String(release) },
    listen: options.listen,
    internalToken: options.internalToken,
    assets,
    ...(options.objectsHandler ? { objectsHandler: options.objectsHandler } : {}),
    ...(options.balancerUrl ? { balancerUrl: options.balancerUrl } : {}),
  });
}
