import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backupReasons, isStateBefore } from "./backup.ts";
import { expiredBackups, type RetainedBackup } from "./retention.ts";

const hour = 3_600_000;
const now = new Date("2026-05-20T12:30:00Z");
const policy = { hourly: 24, daily: 14 };

const backup = (hoursAgo: number, rest: Partial<RetainedBackup> = {}): RetainedBackup => ({
  id: `b-${hoursAgo}`,
  takenAt: new Date(now.getTime() - hoursAgo * hour),
  reason: "scheduled",
  verifiedAt: null,
  ...rest,
});

const some = fc
  .uniqueArray(
    fc.record({
      hoursAgo: fc.integer({ min: 0, max: 2000 }).map((quarter) => quarter / 4),
      reason: fc.constantFrom(...backupReasons),
      isGood: fc.boolean(),
    }),
    { selector: ({ hoursAgo }) => hoursAgo, maxLength: 120 },
  )
  .map((all) =>
    all.map(({ hoursAgo, reason, isGood }) => backup(hoursAgo, { reason, verifiedAt: isGood ? now : null })),
  );
const policies = fc.record({
  hourly: fc.integer({ min: 1, max: 48 }),
  daily: fc.integer({ min: 1, max: 30 }),
});

const newest = (all: readonly RetainedBackup[]) =>
  all.toSorted((a, b) => b.takenAt.getTime() - a.takenAt.getTime())[0];

describe("the backups that nobody needs any more", () => {
  it("leave 24 of the last hours and 14 of the last days", () => {
    const hourly = Array.from({ length: 24 * 30 }, (_, index) => backup(index));
    const expired = new Set(expiredBackups(hourly, policy, { now, live: true }));
    const kept = hourly.filter(({ id }) => !expired.has(id));
    expect(kept.slice(0, 24)).toEqual(hourly.slice(0, 24));
    // Midnights of the thirteen days before today; yesterday's is one of the hours, too.
    expect(kept.slice(24).map(({ takenAt }) => takenAt.toISOString().slice(0, 13))).toEqual(
      Array.from({ length: 12 }, (_, index) => `2026-05-${String(18 - index).padStart(2, "0")}T23`),
    );
  });

  it("are not counted by hours that have none: a system that stood still loses nothing", () => {
    const old = [backup(5000), backup(5001)];
    expect(expiredBackups(old, policy, { now, live: true })).toEqual([]);
  });

  it("never are the newest or the newest good one of a tenant that lives there", () => {
    fc.assert(
      fc.property(some, policies, (all, wish) => {
        const expired = new Set(expiredBackups(all, wish, { now, live: true }));
        const lists = [all, all.filter(({ reason }) => !isStateBefore(reason))];
        for (const list of lists)
          for (const kept of [newest(list), newest(list.filter(({ verifiedAt }) => verifiedAt !== null))])
            if (kept) expect(expired).not.toContain(kept.id);
      }),
    );
  });

  it("never are the last of an hour or day that counts, or young ones that were not scheduled", () => {
    fc.assert(
      fc.property(some, policies, (all, wish) => {
        const expired = new Set(expiredBackups(all, wish, { now, live: true }));
        const kept = all.filter(({ id }) => !expired.has(id));
        for (const { id, reason, takenAt } of all) {
          const isYoung = now.getTime() - takenAt.getTime() < wish.daily * 24 * hour;
          if (reason !== "scheduled" && isYoung) expect(expired).not.toContain(id);
        }
        const periods = (list: readonly RetainedBackup[], length: number) =>
          new Set(
            list
              .filter(({ reason }) => !isStateBefore(reason))
              .map(({ takenAt }) => Math.floor(takenAt.getTime() / length)),
          );
        for (const [length, count] of [
          [hour, wish.hourly],
          [24 * hour, wish.daily],
        ] as const) {
          const had = [...periods(all, length)].toSorted((a, b) => b - a).slice(0, count);
          expect([...periods(kept, length)]).toEqual(expect.arrayContaining(had));
        }
        // And not more than that is kept.
        const scheduled = kept.filter(({ reason }) => reason === "scheduled");
        expect(scheduled.length).toBeLessThanOrEqual(wish.hourly + wish.daily + 4);
      }),
    );
  });

  it("are the same however the list is sorted, and none are left among those that stay", () => {
    fc.assert(
      fc.property(some, policies, fc.boolean(), (all, wish, live) => {
        const expired = expiredBackups(all, wish, { now, live });
        expect(new Set(expiredBackups(all.toReversed(), wish, { now, live }))).toEqual(new Set(expired));
        const kept = all.filter(({ id }) => !expired.includes(id));
        expect(expiredBackups(kept, wish, { now, live })).toEqual([]);
      }),
    );
  });

  it("are all that are older than the days, of a tenant that is gone", () => {
    fc.assert(
      fc.property(some, policies, (all, wish) => {
        const expired = new Set(expiredBackups(all, wish, { now, live: false }));
        for (const { id, takenAt } of all)
          if (now.getTime() - takenAt.getTime() >= wish.daily * 24 * hour) expect(expired).toContain(id);
      }),
    );
  });
});
