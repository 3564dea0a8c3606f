import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createFakeClock, type FakeClock } from "../../../test/support/fake-clock.ts";
import { createTestRegion, type TestRegion } from "../../../test/support/region.ts";
import { finalExportKey } from "../../core/closing/final-export-key.ts";
import { createKeys } from "../../embedded/keys.ts";
import { createObjects, type FileObjects } from "../../embedded/objects.ts";
import type { Keys } from "../../ports/keys.ts";
import type { RegionPlatform } from "../../ports/platform.ts";
import { archiveInObject, decryptArchive, encryptArchive } from "../archive/archive.ts";
import { Closings } from "./closings.ts";
import { readFinalExport } from "./final-export.ts";
import { sweepFinalExports } from "./sweep-final-exports.ts";

const day = 86_400_000;

/** A region's objects with its key. */
interface Site {
  readonly objects: FileObjects;
  readonly keys: Keys;
}

describe("last exports", () => {
  let region: TestRegion;
  let folder: string;
  let clock: FakeClock;
  let own: Site;
  let recovery: Site;
  let platform: RegionPlatform;
  let closings: Closings;

  beforeAll(async () => {
    region = await createTestRegion();
    folder = await mkdtemp(join(tmpdir(), "rowhouse-last-exports-"));
    clock = createFakeClock();
    const site = async (name: string): Promise<Site> => ({
      objects: await createObjects({ folder: join(folder, name), signingKey: "s", clock }),
      keys: await createKeys({ file: join(folder, `${name}.json`) }),
    });
    [own, recovery] = [await site("own"), await site("recovery")];
    const parts = { ...region.platform, ...own, clock, recovery: { region: "eu-central-1", ...recovery } };
    platform = parts as unknown as RegionPlatform;
    closings = new Closings({ pool: region.control.pool, clock });
  });
  afterAll(async () => {
    await Promise.all([own.objects.close(), recovery.objects.close()]);
    await region.dispose();
    await rm(folder, { recursive: true, force: true });
  });

  const sweep = () => sweepFinalExports({ platform }, closings);
  const endOf = (days: number) => new Date(clock.now().getTime() + days * day);

  async function close(slug: string, until: Date): Promise<string> {
    const key = finalExportKey(slug, until);
    const body = await encryptArchive(Readable.from([Buffer.from(`all of ${slug}`)]), {
      keys: own.keys,
      slug,
    });
    const { size } = await own.objects.put({ key, body });
    await closings.begin({ slug, askedBy: "o", id: slug, withoutExport: false });
    const kept = { kept: true, key, bytes: size, sha256: "", until: until.toISOString() } as const;
    await closings.keep(slug, "export", kept);
    return key;
  }
  async function opened({ objects, keys }: Site, slug: string, key: string): Promise<string> {
    const archive = await decryptArchive(await archiveInObject(objects, key), { keys, slug });
    return text(await archive.read(0, archive.size));
  }
  const versionsIn = async ({ objects }: Site) =>
    (await objects.listVersions({ prefix: "closed/" })).versions.map(({ key }) => key);

  it("have one copy in the recovery region, which that region's key alone opens", async () => {
    const key = await close("acme", endOf(2));
    await sweep();
    await sweep();
    expect(await versionsIn(recovery)).toEqual([key]);
    expect(await opened(recovery, "acme", key)).toBe("all of acme");
    const stranger = { objects: recovery.objects, keys: own.keys };
    await expect(opened(stranger, "acme", key)).rejects.toMatchObject({ code: expect.stringMatching(/^E_/) });
  });

  it("that were lost with their region are told as lost, and keep no other from being copied", async () => {
    await own.objects.purge((await close("lost", endOf(2))).replace(/archive$/, ""));
    const key = await close("zebra", endOf(2));
    await sweep();
    expect(await versionsIn(recovery)).toContain(key);
    const reading = readFinalExport({ pool: region.control.pool, platform }, "lost");
    await expect(reading).rejects.toThrow(/was lost with the region/);
  });

  it("end on their day in both places, those that no table knows too; the others stay", async () => {
    const later = await close("later", endOf(30));
    for (const [slug, days] of [
      ["unknown", 1],
      ["unknown-later", 30],
    ] as const)
      await recovery.objects.put({ key: finalExportKey(slug, endOf(days)), body: Buffer.from("sealed") });
    const unknownLater = finalExportKey("unknown-later", endOf(30));
    await clock.advance(2 * day);
    await sweep();
    expect(await versionsIn(own)).toEqual([later]);
    expect((await versionsIn(recovery)).toSorted()).toEqual([later, unknownLater].toSorted());
    expect((await closings.find("acme"))?.exportDeletedAt).toEqual(clock.now());
    expect((await closings.find("later"))?.exportDeletedAt).toBeUndefined();
    const reading = readFinalExport({ pool: region.control.pool, platform }, "acme");
    await expect(reading).rejects.toMatchObject({ code: "E_NOT_FOUND" });
  });
});
