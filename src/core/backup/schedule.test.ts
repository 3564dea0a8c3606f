import { describe, expect, it } from "vitest";
import { isBackupDue } from "./schedule.ts";

const hourSeconds = 3600;
const start = Date.parse("2026-05-20T00:00:00Z");
const createdAt = new Date("2026-05-01T00:00:00Z");

/** The minutes of a day at which the tenant's backups are taken, when somebody looks each minute. */
function turns(
  slug: string,
  minutes: number,
  from: Partial<Parameters<typeof isBackupDue>[0]> = {},
): number[] {
  const taken: number[] = [];
  let begunAt: Date | null = null;
  for (let minute = 0; minute < minutes; minute++) {
    const now = new Date(start + minute * 60_000);
    if (!isBackupDue({ slug, createdAt, failedAt: null, begunAt, ...from }, hourSeconds, now)) continue;
    taken.push(minute);
    begunAt = now;
  }
  return taken;
}

describe("a backup that is due", () => {
  it("comes once an hour, at the same minute", () => {
    const minutes = turns("acme", 24 * 60).slice(1);
    expect(new Set(minutes.map((minute) => minute % 60)).size).toBe(1);
    expect(minutes.length).toBeGreaterThanOrEqual(23);
  });

  it("comes at another minute for another slug: a thousand tenants are spread over the hour", () => {
    const perMinute = new Array<number>(60).fill(0);
    for (let index = 0; index < 1000; index++) {
      const minute = (turns(`tenant-${index}`, 150).at(-1) ?? 0) % 60;
      perMinute[minute] = (perMinute[minute] ?? 0) + 1;
    }
    // 17 each on average; far from all at once.
    expect(Math.max(...perMinute)).toBeLessThan(40);
    expect(Math.min(...perMinute)).toBeGreaterThan(2);
  });

  it("is taken at once after its turn was missed, and only once", () => {
    const begunAt = new Date(start - 10 * 3_600_000);
    expect(
      isBackupDue({ slug: "acme", createdAt, failedAt: null, begunAt }, hourSeconds, new Date(start)),
    ).toBe(true);
    const again = { slug: "acme", createdAt, failedAt: null, begunAt: new Date(start) };
    expect(isBackupDue(again, hourSeconds, new Date(start + 1000))).toBe(false);
  });

  it("waits for a new tenant's first turn", () => {
    const situation = { slug: "acme", createdAt: new Date(start), failedAt: null, begunAt: null };
    expect(isBackupDue(situation, hourSeconds, new Date(start + 1000))).toBe(false);
    expect(isBackupDue(situation, hourSeconds, new Date(start + 3_600_000))).toBe(true);
  });

  it("is tried again five minutes after it failed", () => {
    const failedAt = new Date(start);
    const situation = { slug: "acme", createdAt, failedAt, begunAt: null };
    expect(isBackupDue(situation, hourSeconds, new Date(start + 299_000))).toBe(false);
    expect(isBackupDue(situation, hourSeconds, new Date(start + 300_000))).toBe(true);
  });
});
