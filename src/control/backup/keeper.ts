import { expiredBackups } from "../../core/backup/retention.ts";
import { isBackupDue } from "../../core/backup/schedule.ts";
import { durationSeconds } from "../../core/config/duration.ts";
import { toRowhouseError } from "../../core/error.ts";
import type { RegionContext } from "../region-context.ts";
import { repeat } from "../repeat.ts";
import { keepStateBefore } from "./before.ts";
import { ownBackups } from "./catalogue.ts";
import { copyToRecovery } from "./copy.ts";
import { adoptBackups, sweepObjects } from "./rebuild.ts";
import { discardBackup } from "./remove.ts";
import { catalogueOf } from "./source.ts";
import { takeBackup } from "./take.ts";
import { tryBackup } from "./trial.ts";

/** How many backups are taken at the same time by schedule: they share the servers with the tenants. */
const concurrency = 2;

/**
 * Keeps the region's backups as the config says: takes those that are due, copies and tries them, and deletes what has
 * expired. What is due follows from the catalogue, so that a restart forgets nothing.
 */
export class BackupKeeper {
  readonly #context: RegionContext;
  readonly #onFault: (what: string, error: unknown) => void;
  #hasSwept = false;

  constructor(context: RegionContext, onFault: (what: string, error: unknown) => void) {
    this.#context = context;
    this.#onFault = onFault;
  }

  /** Takes what is due, and finishes what was left. A tenant's failure keeps nobody else back. */
  async takeDue(): Promise<void> {
    const catalogue = catalogueOf(this.#context);
    await this.#sweepOnce();
    for (const backup of await catalogue.leftOver())
      await this.#each(`The backup ${backup.id} could not be deleted`, () =>
        discardBackup(this.#context, backup),
      );
    for (const backup of await catalogue.pending()) {
      // The restore itself is at it.
      if (await this.#context.operations.find(backup.slug)) continue;
      await this.#each(`The state of ${backup.slug} before its restore could not be kept`, () =>
        keepStateBefore(this.#context, backup),
      );
    }
    await this.#take();
    await this.#copy();
  }

  /** After a start: the table learns what lies in the objects, and what belongs to nothing goes. */
  async #sweepOnce(): Promise<void> {
    if (this.#hasSwept) return;
    await adoptBackups(this.#context, this.#context.name);
    await sweepObjects(this.#context);
    this.#hasSwept = true;
  }

  async #take(): Promise<void> {
    const { name, config, platform } = this.#context;
    const catalogue = catalogueOf(this.#context);
    const every = durationSeconds(config.backups.every);
    const situations = await catalogue.situations(name);
    const due = situations
      .filter((situation) => isBackupDue(situation, every, platform.clock.now()))
      .values();
    const work = async (): Promise<void> => {
      for (const { slug } of due) {
        await this.#each(`${slug} could not be backed up`, () =>
          takeBackup(this.#context, { slug, reason: "scheduled" }).catch(async (error: unknown) => {
            await catalogue.noteFailure(slug, error);
            throw error;
          }),
        );
      }
    };
    await Promise.all(Array.from({ length: concurrency }, work));
  }

  async #copy(): Promise<void> {
    if (!this.#context.platform.recovery) return;
    for (const backup of await catalogueOf(this.#context).uncopied())
      await this.#each(`The backup ${backup.id} could not be copied to the recovery region`, () =>
        copyToRecovery(this.#context, backup),
      );
  }

  /** Deletes what nobody needs any more. */
  async expire(): Promise<void> {
    const { name, config, platform } = this.#context;
    const catalogue = catalogueOf(this.#context);
    for (const { slug, liveSince } of await catalogue.owners(name)) {
      const all = await catalogue.list(slug);
      const own = liveSince ? ownBackups(all, liveSince) : [];
      const others = all.filter((backup) => !own.includes(backup));
      const now = platform.clock.now();
      const expired = [
        ...expiredBackups(own, config.backups.keep, { now, live: true }),
        ...expiredBackups(others, config.backups.keep, { now, live: false }),
      ];
      for (const id of expired)
        await this.#each(`The backup ${id} could not be deleted`, () =>
          discardBackup(this.#context, { id, slug }),
        );
    }
  }

  /** Tries the backup whose turn it is. */
  async tryNext(): Promise<void> {
    const catalogue = catalogueOf(this.#context);
    const every = durationSeconds(this.#context.config.backups.verifyEvery);
    const next = await catalogue.nextTrial(every);
    if (!next) return;
    await this.#each(`The trial restore of ${next.id} was not possible`, () =>
      tryBackup(this.#context, next),
    );
    const failure = (await catalogue.find(next.id))?.failure;
    if (failure)
      this.#onFault(`The backup ${next.id} of ${next.slug} can't be restored`, new Error(failure.message));
  }

  async #each(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#onFault(what, toRowhouseError(error));
    }
  }
}

const pauses = { take: 15_000, expire: 600_000, try: 60_000 };

/** Runs the keeper until it is stopped. */
export function keepBackups(
  context: RegionContext,
  onFault: (what: string, error: unknown) => void,
): { stop(): Promise<void> } {
  const keeper = new BackupKeeper(context, onFault);
  const { clock } = context.platform;
  const every = (pauseMilliseconds: number, work: () => Promise<void>) =>
    repeat({ clock, pauseMilliseconds, onFault: (error) => onFault("backups", error) }, work);
  const loops = [
    every(pauses.take, () => keeper.takeDue()),
    every(pauses.expire, () => keeper.expire()),
    every(pauses.try, () => keeper.tryNext()),
  ];
  return {
    stop: async () => {
      await Promise.all(loops.map((loop) => loop.stop()));
    },
  };
}
