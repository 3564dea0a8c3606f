import type { Config } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import { faultEntry } from "../core/fault-entry.ts";
import type { RegionPlatform } from "../ports/platform.ts";
import type { ConnectOptions } from "../postgres/connect.ts";
import type { WriterPool } from "../postgres/pool.ts";
import { assembleRegion } from "./assemble-region.ts";
import { backupControl } from "./backup/control.ts";
import { keepBackups } from "./backup/keeper.ts";
import { closeControl, sweepClosings } from "./close/control.ts";
import { databaseControl } from "./database/control.ts";
import { DirectorySync } from "./directory-sync.ts";
import { FleetKeeper } from "./fleet/fleet-keeper.ts";
import { createMoving } from "./move/control.ts";
import { sweepMoves } from "./move/sweep.ts";
import { recoveryControl } from "./recovery/control.ts";
import { startRecoveryKeeper } from "./recovery/keeper.ts";
import { RegionStates } from "./recovery/region-states.ts";
import { Region } from "./region.ts";
import { firstSharedServer } from "./region-context.ts";
import type { RegionControl } from "./region-control.ts";
import {
  currentRelease,
  findInstalledRelease,
  type InstalledRelease,
  installRelease,
  type ReadMigrations,
} from "./release/installed.ts";
import { sweepOperations } from "./relocation/sweep.ts";
import { repeat } from "./repeat.ts";
import { residencyControl } from "./residency/control.ts";
import { prepareControlSchema } from "./schema.ts";
import { settleEach } from "./settle-each.ts";
import { publishRegion } from "./signup/address.ts";
import { createSeeder } from "./signup/seed.ts";
import { sweepSignups } from "./signup/sweep.ts";
import { Spares } from "./tenant-data/spares.ts";

/** What `tenant.queue.send` sends to. */
const jobsQueue = "jobs";
const jobsQueueOptions = { visibilityTimeoutSeconds: 60, maxReceives: 5 };

const startupPauseMilliseconds = 2000;
const sweepPauseMilliseconds = 60_000;

export interface ControllerParts {
  readonly name: string;
  readonly config: Config;
  readonly platform: RegionPlatform;
  readonly pool: WriterPool;
  readonly directoryPool: WriterPool;
  readonly directoryConnection: ConnectOptions;
  readonly readMigrations: ReadMigrations;
  readonly internalToken: string;
  /** How long a new instance may take until it is healthy. */
  readonly startGraceSeconds: number;
  /** Between two looks at the fleet: often where they cost nothing, seldom where each is a call with a price and a limit. */
  readonly reconcileMilliseconds: number;
  readonly tenantUrl: (slug: string) => string;
  /** The controller of another region. @throws E_REGION_UNKNOWN, E_REGION_UNAVAILABLE */
  readonly peer: (region: string) => RegionControl;
  /** The directory says that the region has failed over: it must serve nobody from now on. */
  readonly onLost: () => void;
  readonly log: (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;
}

/** The control plane's arm in a region while it runs. */
export interface RunningController {
  readonly control: RegionControl;
  /** Makes a release the region's current one; instances follow. @throws E_RELEASE_CORRUPT */
  installRelease(release: {
    readonly version: string;
    readonly sha256: string;
    readonly zip: Uint8Array;
  }): Promise<void>;
  /** Follows what the region's registry names as its current release, whoever wrote it there. */
  adoptRelease(): Promise<void>;
  stop(): Promise<void>;
}

/** Brings a region's tables up to date, resumes what a crash interrupted, and keeps the region as it should be. */
export async function startController(parts: ControllerParts): Promise<RunningController> {
  const { platform, pool, config } = parts;
  await prepareControlSchema(pool, "region");
  const releaseParts = { ...platform, readMigrations: parts.readMigrations };
  let release: InstalledRelease | undefined = await findInstalledRelease(releaseParts);
  const context = assembleRegion({
    ...parts,
    release: () => release ?? missingRelease(),
    seed: createSeeder({ balancer: platform.balancer, internalToken: parts.internalToken }),
  });
  await context.tenantData.prepareSharedServer(firstSharedServer);

  const spares = new Spares(context);
  const zones = context.region.zones;
  const fleet = new FleetKeeper({
    platform,
    config,
    zones,
    startGraceSeconds: parts.startGraceSeconds,
    release: () => release,
  });
  const moving = createMoving(context);
  const states = new RegionStates(parts.directoryPool);
  const control = Object.assign(
    new Region({ context, fleet, spares }),
    closeControl(context),
    backupControl(context),
    databaseControl(platform),
    moving.control,
    recoveryControl(context, { states, onFault: (error) => logFault(parts, "recovery", error) }),
    residencyControl(context, { ...platform, internalToken: parts.internalToken }),
  );
  const sync = new DirectorySync({
    directory: context.directory,
    pool,
    connection: parts.directoryConnection,
  });
  sync.start();
  const { clock } = platform;
  const onFault = (what: string) => (error: unknown) => logFault(parts, what, error);
  const reconciling = repeat(
    { clock, pauseMilliseconds: parts.reconcileMilliseconds, onFault: onFault("fleet") },
    () => fleet.reconcile(),
  );
  // The directory may be away while a controller starts again: its region goes on without.
  const startup = { clock, pauseMilliseconds: startupPauseMilliseconds, once: true };
  const publishing = repeat({ ...startup, onFault: onFault("address") }, () => publishRegion(context));
  await platform.queues.ensure(jobsQueue, jobsQueueOptions);
  await platform.workflows.launch();
  const closings = repeat(
    { clock, pauseMilliseconds: sweepPauseMilliseconds, onFault: onFault("closings") },
    () => sweepClosings(context),
  );
  const sweeping = repeat(
    { clock, pauseMilliseconds: sweepPauseMilliseconds, onFault: onFault("leftovers") },
    () => settleEach([sweepMoves, sweepOperations, sweepSignups], (sweep) => sweep(context)),
  );
  const backups = keepBackups(context, (what, error) => logFault(parts, what, error));
  const recovery = startRecoveryKeeper(context, {
    reconcileMilliseconds: parts.reconcileMilliseconds,
    states,
    onLost: parts.onLost,
    onFault: (what, error) => logFault(parts, what, error),
  });
  const refill = () => void spares.refill().catch(onFault("spares"));
  if (release) refill();

  return {
    control,
    async installRelease(candidate) {
      if (release?.sha256 !== candidate.sha256) release = await installRelease(releaseParts, candidate);
      refill();
    },
    async adoptRelease() {
      if ((await currentRelease(platform.registry))?.sha256 === release?.sha256) return;
      release = await findInstalledRelease(releaseParts);
      refill();
    },
    async stop() {
      await Promise.all([
        reconciling.stop(),
        publishing.stop(),
        closings.stop(),
        sweeping.stop(),
        backups.stop(),
        recovery.stop(),
      ]);
      await sync.stop();
      await spares.stop();
      await platform.workflows.stop();
      await moving.stop();
      await context.tenantData.close();
      await context.administration.close();
    },
  };
}

function logFault(parts: ControllerParts, what: string, error: unknown): void {
  parts.log(faultEntry(error, what));
}

function missingRelease(): never {
  throw fault("E_RELEASE_MISSING");
}
