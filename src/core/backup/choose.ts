import { fault } from "../error.ts";
import { type Backup, isStateBefore } from "./backup.ts";

/**
 * The backup that a restore takes: the one named, or else the newest that is not after `at` (any, without it) and that
 * no trial restore has found bad. What a restore has replaced is taken by its name alone: it is not what the tenant had
 * from then on. @throws E_BACKUP_NOT_FOUND with what there is
 */
export function chooseBackup<Candidate extends Pick<Backup, "id" | "takenAt" | "reason" | "failure">>(
  backups: readonly Candidate[],
  wish: { readonly slug: string; readonly id?: string; readonly at?: Date },
): Candidate {
  const { slug, id, at } = wish;
  if (id !== undefined) {
    const named = backups.find((backup) => backup.id === id);
    if (named) return named;
    throw fault("E_BACKUP_NOT_FOUND", `The tenant "${slug}" has no backup "${id}".`);
  }
  const newestFirst = backups
    .filter(({ failure, reason }) => failure === null && !isStateBefore(reason))
    .toSorted((a, b) => b.takenAt.getTime() - a.takenAt.getTime());
  const chosen = newestFirst.find(({ takenAt }) => at === undefined || takenAt <= at);
  if (chosen) return chosen;
  const oldest = newestFirst.at(-1);
  throw fault(
    "E_BACKUP_NOT_FOUND",
    oldest && at
      ? `The tenant "${slug}" has no backup from ${at.toISOString()} or before; the oldest is of ${oldest.takenAt.toISOString()}.`
      : `The tenant "${slug}" has no backup yet${backups.length > 0 ? " but those that must be named" : ""}.`,
  );
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i;
const ago = /^(\d{1,6}) ?(s|m|h|d) ago$/;
const unitMilliseconds = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** A moment as people say it: ISO 8601 with its zone, or like `2h ago`. @throws E_ARGUMENT, for one to come too */
export function parseMoment(text: string, now: Date): Date {
  const [, count = "", unit = ""] = ago.exec(text.trim()) ?? [];
  const moment = isoTime.test(text.trim())
    ? new Date(text.trim())
    : new Date(now.getTime() - Number(count || Number.NaN) * unitMilliseconds[unit as "s"]);
  if (Number.isNaN(moment.getTime()))
    throw fault(
      "E_ARGUMENT",
      `The time ${JSON.stringify(text.slice(0, 40))} is none: write it like 2026-05-04T10:30:00Z, with its zone, or like "2h ago".`,
    );
  if (moment > now) throw fault("E_ARGUMENT", `The time ${moment.toISOString()} has not come yet.`);
  return moment;
}
