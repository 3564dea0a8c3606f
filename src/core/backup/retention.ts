import { type Backup, isStateBefore } from "./backup.ts";

const hourMilliseconds = 3_600_000;
const dayMilliseconds = 86_400_000;

/** What retention looks at. */
export type RetainedBackup = Pick<Backup, "id" | "takenAt" | "reason" | "verifiedAt">;

export interface RetentionPolicy {
  /** Of so many hours that have a backup, the newest ones, the last backup of each is kept. */
  readonly hourly: number;
  /** The same of days (UTC). What was not taken by schedule is kept for as many days at least. */
  readonly daily: number;
}

/**
 * The ids of one tenant's backups that nobody needs any more. The newest backup and the newest good one (a trial
 * restore gave it back) are never among them while the tenant is `live` in this region; of one that is gone, nothing is
 * kept for longer than the daily period.
 */
export function expiredBackups(
  backups: readonly RetainedBackup[],
  policy: RetentionPolicy,
  tenant: { readonly now: Date; readonly live: boolean },
): string[] {
  const newestFirst = backups.toSorted(
    (a, b) => b.takenAt.getTime() - a.takenAt.getTime() || (a.id < b.id ? 1 : -1),
  );
  const isYoung = ({ takenAt }: RetainedBackup) =>
    tenant.now.getTime() - takenAt.getTime() < policy.daily * dayMilliseconds;
  // What a restore has replaced is no step on the tenant's way, and stands for no hour of it.
  const onItsWay = newestFirst.filter(({ reason }) => !isStateBefore(reason));
  const kept = new Set<RetainedBackup | undefined>();
  for (const some of tenant.live ? [newestFirst, onItsWay] : []) {
    kept.add(some[0]);
    kept.add(some.find(({ verifiedAt }) => verifiedAt !== null));
  }
  const lasts = [
    ...lastOfEach(onItsWay, hourMilliseconds, policy.hourly),
    ...lastOfEach(onItsWay, dayMilliseconds, policy.daily),
  ];
  for (const backup of lasts) if (tenant.live || isYoung(backup)) kept.add(backup);
  for (const backup of newestFirst) if (backup.reason !== "scheduled" && isYoung(backup)) kept.add(backup);
  return newestFirst.filter((backup) => !kept.has(backup)).map(({ id }) => id);
}

/** The last backup of each of the newest `count` periods that have one. */
function lastOfEach(
  newestFirst: readonly RetainedBackup[],
  periodMilliseconds: number,
  count: number,
): RetainedBackup[] {
  const lasts = new Map<number, RetainedBackup>();
  for (const backup of newestFirst) {
    const period = Math.floor(backup.takenAt.getTime() / periodMilliseconds);
    if (!lasts.has(period)) lasts.set(period, backup);
    if (lasts.size === count) break;
  }
  return [...lasts.values()];
}
