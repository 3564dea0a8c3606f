import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connect } from "../postgres/connect.ts";
import type { Databases } from "./databases.ts";
import type { Replicas } from "./replicas.ts";

/** A region that loses its servers, and the one that keeps replicas of them. */
export interface ReplicasHarness {
  readonly replicas: Replicas;
  readonly source: {
    readonly region: string;
    readonly databases: Pick<Databases, "create" | "endpoint" | "administrator">;
    readonly zones: readonly [string, string];
    /** All at once, as a region is lost. */
    lose(): Promise<void>;
  };
  /** Of the region that keeps the replicas. */
  readonly databases: Pick<Databases, "describe" | "endpoint" | "administrator">;
  readonly zones: readonly [string, string];
  dispose(): Promise<void>;
}

const patience = { timeout: 60_000, interval: 50 };

/** What every engine of replicas must do. */
export function replicasContract(name: string, make: () => Promise<ReplicasHarness>): void {
  describe(`${name}: replicas`, () => {
    let harness: ReplicasHarness;
    const server = "shared-1";
    const notFound = expect.objectContaining({ code: "E_NOT_FOUND" });

    async function query(databases: Pick<Databases, "endpoint" | "administrator">, on: string, sql: string) {
      const client = await connect({
        endpoint: await databases.endpoint(on),
        credentials: await databases.administrator(on),
        database: "postgres",
        applicationName: "contract",
      });
      return client.query(sql).finally(() => client.end());
    }

    const statuses = async () =>
      (await harness.replicas.list()).map(({ source, server: of, status }) => ({
        source,
        server: of,
        status,
      }));

    beforeAll(async () => {
      harness = await make();
      const { source } = harness;
      await source.databases.create({ name: server, zones: source.zones });
      await source.databases.create({ name: "shared-2", zones: source.zones });
      await query(source.databases, server, "CREATE TABLE kept (id int PRIMARY KEY)");
      await query(source.databases, server, "INSERT INTO kept VALUES (1)");
    }, 60_000);
    afterAll(() => harness.dispose(), 60_000);

    test("has none of a server that its source has not", async () => {
      const { region } = harness.source;
      await expect(harness.replicas.create({ source: region, server: "shared-9" })).rejects.toEqual(notFound);
      expect(await harness.replicas.list()).toEqual([]);
    });

    test("makes one that follows, once, however often it is asked for, and tells how late it is", async () => {
      const { replicas, source } = harness;
      await replicas.create({ source: source.region, server });
      await Promise.all([1, 2].map(() => replicas.create({ source: source.region, server })));
      expect(await statuses()).toEqual([{ source: source.region, server, status: "following" }]);
      await query(source.databases, server, "INSERT INTO kept VALUES (2)");
      const lag = async () => (await replicas.list())[0]?.lagSeconds;
      await expect.poll(lag, patience).toBeLessThan(5);
    });

    test("deletes one, and what is not there", async () => {
      const { replicas, source } = harness;
      const other = { source: source.region, server: "shared-2" };
      await replicas.create(other);
      expect(await statuses()).toHaveLength(2);
      await replicas.delete(other);
      await replicas.delete(other);
      expect(await statuses()).toEqual([{ source: source.region, server, status: "following" }]);
    });

    test("makes a server of one whose source is lost, with what had arrived", async () => {
      const { replicas, source, databases, zones } = harness;
      const promotion = { source: source.region, server, name: `${source.region}-${server}`, zones };
      await query(source.databases, server, "INSERT INTO kept VALUES (3)");
      const arrived = async () => (await replicas.list())[0]?.lagSeconds;
      const since = performance.now();
      // What it has was true after the write.
      await expect
        .poll(async () => (performance.now() - since) / 1000 - ((await arrived()) ?? Infinity), patience)
        .toBeGreaterThan(0);
      await source.lose();
      await replicas.promote(promotion);
      await query(databases, promotion.name, "INSERT INTO kept VALUES (4)");
      const { rows } = await query(databases, promotion.name, "SELECT id FROM kept ORDER BY id");
      expect(rows).toEqual([1, 2, 3, 4].map((id) => ({ id })));
      expect(await replicas.list()).toEqual([]);
    }, 120_000);

    test("promotes what was promoted already without a change, and gives it a standby", async () => {
      const { replicas, source, databases, zones } = harness;
      const promoted = `${source.region}-${server}`;
      await replicas.promote({ source: source.region, server, name: promoted, zones });
      const { rows } = await query(databases, promoted, "SELECT count(*)::int AS count FROM kept");
      expect(rows).toEqual([{ count: 4 }]);
      await expect.poll(async () => (await databases.describe(promoted))?.status, patience).toBe("available");
    }, 120_000);

    test("promotes none that is not there", async () => {
      const { replicas, source, zones } = harness;
      await expect(
        replicas.promote({ source: source.region, server: "shared-2", name: "never", zones }),
      ).rejects.toEqual(notFound);
    });
  });
}
