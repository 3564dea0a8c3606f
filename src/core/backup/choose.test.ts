import { describe, expect, it } from "vitest";
import type { Backup } from "./backup.ts";
import { chooseBackup, parseMoment } from "./choose.ts";

const now = new Date("2026-05-20T12:00:00Z");
type Candidate = Pick<Backup, "id" | "takenAt" | "reason" | "failure">;
const at = (time: string, rest: Partial<Candidate> = {}): Candidate => ({
  id: time,
  takenAt: new Date(`2026-05-20T${time}:00Z`),
  reason: "scheduled",
  failure: null,
  ...rest,
});
const failure = { code: "E_ARCHIVE_MISMATCH", message: "Not the same." };
const all = [at("09:00"), at("11:00", { failure }), at("10:00"), at("11:30", { reason: "before-restore" })];

describe("the backup that a restore takes", () => {
  it("is the newest that no trial found bad and that the tenant went on from", () => {
    expect(chooseBackup(all, { slug: "acme" }).id).toBe("10:00");
  });

  it("is the newest that is not after the moment, to the millisecond", () => {
    const chosen = (moment: string) => chooseBackup(all, { slug: "acme", at: new Date(moment) }).id;
    expect(chosen("2026-05-20T10:00:00Z")).toBe("10:00");
    expect(chosen("2026-05-20T09:59:59.999Z")).toBe("09:00");
    expect(chosen("2026-05-20T11:59:00Z")).toBe("10:00");
  });

  it("is the one that is named, whatever it is", () => {
    expect(chooseBackup(all, { slug: "acme", id: "11:00" }).id).toBe("11:00");
    expect(chooseBackup(all, { slug: "acme", id: "11:30" }).id).toBe("11:30");
  });

  it("is missed with the reason", () => {
    expect(() => chooseBackup(all, { slug: "acme", at: new Date("2026-05-20T08:00:00Z") })).toThrow(
      /no backup from 2026-05-20T08:00:00.000Z or before; the oldest is of 2026-05-20T09:00:00.000Z/,
    );
    expect(() => chooseBackup([], { slug: "acme" })).toThrow(/has no backup yet\./);
    expect(() => chooseBackup(all.slice(1, 2), { slug: "acme" })).toThrow(/but those that must be named/);
    expect(() => chooseBackup(all, { slug: "acme", id: "x" })).toThrow(/has no backup "x"/);
  });
});

describe("a moment", () => {
  it.each([
    ["2026-05-20T10:30:00Z", "2026-05-20T10:30:00.000Z"],
    ["2026-05-20T10:30+02:00", "2026-05-20T08:30:00.000Z"],
    ["2h ago", "2026-05-20T10:00:00.000Z"],
    ["30 m ago", "2026-05-20T11:30:00.000Z"],
    ["1d ago", "2026-05-19T12:00:00.000Z"],
  ])("may be %s", (text, iso) => {
    expect(parseMoment(text, now).toISOString()).toBe(iso);
  });

  it.each([
    "",
    "noon",
    "2026-05-20",
    "2026-05-20T10:30:00",
    "2026-13-40T10:30:00Z",
    "-2h ago",
    "2026-05-20T12:00:01Z",
  ])("is not %j", (text) => {
    expect(() => parseMoment(text, now)).toThrow(expect.objectContaining({ code: "E_ARGUMENT" }));
  });
});
