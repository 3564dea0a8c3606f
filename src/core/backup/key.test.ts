import { describe, expect, it } from "vitest";
import { checkObjectKey } from "../object/key.ts";
import { backupId } from "./backup.ts";
import { archiveKey, formatRecord, isRecordKey, parseRecord, recordKey } from "./key.ts";

const backup = {
  id: backupId(new Date("2026-05-20T10:30:01.250Z"), "00ff00ff"),
  slug: "acme",
  region: "eu-west-1",
  tenantCreatedAt: new Date("2026-05-01T00:00:00.123Z"),
  reason: "before-import",
  takenAt: new Date("2026-05-20T10:30:02.001Z"),
  schemaVersion: 3,
  rows: 12,
  files: 1,
  bytes: 4096,
} as const;

describe("what lies beside a backup's archive", () => {
  it("says everything that the list can't do without", () => {
    expect(parseRecord(formatRecord(backup))).toEqual({
      ...backup,
      copiedAt: null,
      verifiedAt: null,
      failure: null,
    });
  });

  it("is found by its name", () => {
    expect(backup.id).toBe("20260520t103001z-00ff00ff");
    expect(recordKey(backup)).toBe("backups/acme/20260520t103001z-00ff00ff/backup.json");
    expect(isRecordKey(recordKey(backup))).toBe(true);
    expect(isRecordKey(archiveKey(backup))).toBe(false);
    expect(() => checkObjectKey(archiveKey(backup))).not.toThrow();
  });

  it.each(["{}", '{"format":"rowhouse-backup","version":2,"reason":"manual"}'])("is not %s", (text) => {
    expect(() => parseRecord(text)).toThrow(expect.objectContaining({ code: "E_ARCHIVE_FORMAT" }));
  });
});
