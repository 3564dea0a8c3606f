import type { Balancer } from "./balancer.ts";
import type { Cache } from "./cache.ts";
import type { Clock, Random } from "./clock.ts";
import type { Databases } from "./databases.ts";
import type { Dns } from "./dns.ts";
import type { Fleets } from "./fleets.ts";
import type { Integrations } from "./integrations.ts";
import type { Keys } from "./keys.ts";
import type { Mail } from "./mail.ts";
import type { Objects } from "./objects.ts";
import type { Queues } from "./queues.ts";
import type { RawStorage } from "./raw-storage.ts";
import type { Registry } from "./registry.ts";
import type { Replicas } from "./replicas.ts";
import type { Workflows } from "./workflows.ts";

/** What an instance may touch: the data side of its region. */
export interface DataPlatform {
  readonly region: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly keys: Keys;
  readonly registry: Registry;
  readonly databases: Pick<Databases, "endpoint">;
  readonly objects: Objects;
  readonly cache: Cache;
  readonly queues: Queues;
  readonly mail: Mail;
}

/**
 * What a region may reach of its recovery region, which need not run: there lie copies of its backups and files, and
 * standbys of its servers.
 */
export interface RecoverySite {
  readonly region: string;
  readonly objects: Objects;
  /** For what only the recovery region is to open. */
  readonly keys: Keys;
  /** Absent where the region is recovered from backups alone. */
  readonly replicas?: Replicas;
  /** The engine itself copies tenants' files there, as S3 does. */
  readonly replicatesFiles?: true;
}

/** What the control plane's arm in a region may touch: everything of that region. */
export interface RegionPlatform extends DataPlatform {
  readonly databases: Databases;
  readonly workflows: Workflows;
  readonly fleets: Fleets;
  readonly balancer: Balancer;
  readonly integrations: Integrations;
  readonly dns: Dns;
  readonly rawStorage: RawStorage;
  /** Absent when the region has no recovery region. */
  readonly recovery?: RecoverySite;
  /** Kept in this region, of those that it recovers; absent where the engine has none. */
  readonly replicas?: Replicas;
}
