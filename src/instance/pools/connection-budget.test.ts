import { createServer } from "node:net";
import pg from "pg";
import QueryStream from "pg-query-stream";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { createFakeClock } from "../../../test/support/fake-clock.ts";
import { freePort } from "../../../test/support/postgres-server.ts";
import { createTestRegion, type TestRegion } from "../../../test/support/region.ts";
import { createSystemClock } from "../../node/clock.ts";
import type { DatabaseEndpoint } from "../../ports/databases.ts";
import { currentTenant } from "../context.ts";
import { createTenantRuntime, type TenantRuntime } from "../runtime.ts";
import type { Tenant } from "../tenant.ts";
import { ConnectionBudget } from "./connection-budget.ts";
import { createLogin, type LeaseTarget } from "./login.ts";

const own = Array.from({ length: 12 }, (_, i) => `own-${i}`);
const dense = Array.from({ length: 6 }, (_, i) => `dense-${i}`);
let region: TestRegion;

beforeAll(async () => {
  region = await createTestRegion();
  for (const slug of own) await region.addTenant({ slug });
  for (const slug of dense) await region.addTenant({ slug, plan: "dense" });
});

afterAll(() => region.dispose());

let counter = 0;

/** Runs `work` with a runtime of its own, whose connections can be told from others' by name. */
async function withRuntime(
  connections: number,
  work: (runtime: TenantRuntime, countOpen: () => Promise<number>) => Promise<void>,
): Promise<void> {
  const instanceId = `budget-${counter++}`;
  const runtime = await createTenantRuntime({
    platform: region.platform,
    regionPool: region.control.pool,
    regionConnection: region.connection,
    config: { ...region.config, connectionsPerInstance: connections },
    identity: { instanceId, zone: "a", region: "eu-west-1", release: "r1" },
    logSink: () => {},
  });
  const countOpen = async () => {
    const { rows } = await region.control.pool.query<{ n: number }>(
      "SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = $1",
      [`rowhouse ${instanceId}`],
    );
    return rows[0]!.n;
  };
  try {
    await work(runtime, countOpen);
  } finally {
    await runtime.stop();
  }
}

async function readTitle(tenant: Tenant): Promise<string | undefined> {
  return (await tenant.db.query<{ title: string }>("SELECT title FROM books WHERE id >= $1", [1])).rows[0]
    ?.title;
}

describe("the budget", () => {
  it.each([
    ["own logins", own, 4],
    ["a shared login", dense, 2],
  ])("is never passed with %s, and everyone reads their own rows", async (_, slugs, budget) => {
    await withRuntime(budget, async (runtime, countOpen) => {
      let running = true;
      let most = 0;
      const watch = (async () => {
        while (running) most = Math.max(most, await countOpen());
      })();
      const reads = Array.from({ length: 400 }, async (_, i) => {
        const slug = slugs[(i * 7) % slugs.length]!;
        const tenant = await runtime.resolve(slug);
        if (i % 11 === 0)
          await expect(
            tenant.db.query("SELECT 1/(id - id) FROM books WHERE id >= $1", [0]),
          ).rejects.toMatchObject({ code: "22012" });
        if (i % 13 === 0) await tenant.db.query("ROLLBACK");
        if (i % 17 === 0)
          await tenant.db.transaction(async (client) =>
            expect((await client.query("SELECT title FROM books")).rows[0]).toEqual({ title: slug }),
          );
        expect(await readTitle(tenant)).toBe(slug);
      });
      await Promise.all(reads);
      running = false;
      await watch;
      expect(most).toBeGreaterThan(0);
      expect(most).toBeLessThanOrEqual(budget);
      expect(runtime.connections.statistics()).toMatchObject({ inUse: 0, waiting: 0 });
    });
  });

  it("never takes a connection that is in use", async () => {
    await withRuntime(4, async (runtime) => {
      const holder = await runtime.resolve("own-0");
      const client = await holder.db.connect();
      await client.query("BEGIN");
      await client.query("INSERT INTO books (title) VALUES ('held')");
      for (const slug of own.slice(1)) expect(await readTitle(await runtime.resolve(slug))).toBe(slug);
      expect((await client.query("SELECT count(*)::int AS n FROM books")).rows).toEqual([{ n: 2 }]);
      await client.query("ROLLBACK");
      client.release();
      expect(runtime.connections.statistics().evicted).toBeGreaterThan(0);
    });
  });

  it("leaves room for others while one tenant asks for everything", async () => {
    await withRuntime(8, async (runtime) => {
      const greedy = await runtime.resolve("own-0");
      const other = await runtime.resolve("own-1");
      const held = Array.from({ length: 8 }, () => greedy.db.connect());
      const first = await Promise.all(held.slice(0, 6));
      expect(runtime.connections.statistics()).toMatchObject({ inUse: 6, waiting: 2 });
      expect(await readTitle(other)).toBe("own-1");
      for (const client of first) client.release();
      for (const client of await Promise.all(held.slice(6))) client.release();
    });
  });

  it("gives a newcomer its share although another tenant's queue is long", async () => {
    await withRuntime(4, async (runtime) => {
      const greedy = await runtime.resolve("own-0");
      const other = await runtime.resolve("own-1");
      let left = 300;
      const queue = Array.from({ length: 300 }, async () => {
        await greedy.db.query("SELECT pg_sleep(0.005)");
        left--;
      });
      expect(await readTitle(other)).toBe("own-1");
      expect(left).toBeGreaterThan(100);
      await Promise.all(queue);
    });
  });
});

describe("a shared session", () => {
  it.each(["SET ROLE none", "RESET ROLE", "SELECT set_config('search_path', $1, false)"])(
    "refuses %s",
    async (sql) => {
      await withRuntime(2, async (runtime) => {
        const { db } = await runtime.resolve("dense-0");
        const values = sql.includes("$1") ? ["public"] : undefined;
        await expect(db.query(sql, values)).rejects.toMatchObject({ code: "E_STATEMENT_REFUSED" });
        const client = await db.connect();
        await expect(client.query(sql, values)).rejects.toMatchObject({ code: "E_STATEMENT_REFUSED" });
        expect(() => client.query(new pg.Query(sql))).toThrow(
          expect.objectContaining({ code: "E_STATEMENT_REFUSED" }),
        );
        client.release();
        expect(runtime.connections.statistics()).toMatchObject({ inUse: 0 });
      });
    },
  );

  it("never runs a statement as whoever was served before, when the change of session fails", async () => {
    await withRuntime(1, async (runtime) => {
      const [before, after] = await Promise.all([runtime.resolve("dense-0"), runtime.resolve("dense-1")]);
      expect(await readTitle(before)).toBe("dense-0");
      const { rows } = await region.control.pool.query<{ app_role: string }>(
        "SELECT app_role FROM data_locations WHERE slug = 'dense-1'",
      );
      const shared = await region.control.pool.query<{ role: string }>("SELECT role FROM shared_logins");
      const grant = (verb: string) =>
        `${verb} "${rows[0]!.app_role}" ${verb === "GRANT" ? "TO" : "FROM"} ${shared.rows[0]!.role}`;
      await region.tenantsDatabase.pool.query(grant("REVOKE"));
      await expect(readTitle(after)).rejects.toMatchObject({ code: "42501" });
      await expect(after.db.query("DELETE FROM books WHERE id >= $1", [0])).rejects.toMatchObject({
        code: "42501",
      });
      await expect(after.db.connect()).rejects.toMatchObject({ code: "42501" });
      await region.tenantsDatabase.pool.query(`${grant("GRANT")} WITH INHERIT FALSE, SET TRUE`);
      expect(await readTitle(before)).toBe("dense-0");
      expect(await readTitle(after)).toBe("dense-1");
    });
  });

  it("leaves no setting behind for the next tenant", async () => {
    await withRuntime(1, async (runtime) => {
      const [first, second] = await Promise.all([runtime.resolve("dense-0"), runtime.resolve("dense-1")]);
      await first.db.query("SET work_mem = '1234kB'");
      await first.db.query("SELECT pg_advisory_lock(4711)");
      expect((await second.db.query("SHOW work_mem")).rows).not.toEqual([{ work_mem: "1234kB" }]);
      expect((await second.db.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'")).rowCount).toBe(0);
      expect(await readTitle(second)).toBe("dense-1");
    });
  });
});

describe("a query", () => {
  it("that a demoted node refused is run once more on a fresh connection", async () => {
    await withRuntime(2, async (runtime) => {
      const { db } = await runtime.resolve("own-2");
      await db.query("SET default_transaction_read_only = on");
      await db.query("INSERT INTO books (title) VALUES ($1)", ["after the failover"]);
      await db.query("SET default_transaction_read_only = on");
      await db
        .transaction((client) => client.query("DELETE FROM books WHERE title = $1", ["after the failover"]))
        .catch((error) => {
          expect(error).toMatchObject({ code: "25006" });
        });
      expect((await db.query("DELETE FROM books WHERE title = $1", ["after the failover"])).rowCount).toBe(1);
    });
  });

  it("finds its tenant after its login was replaced", async () => {
    await withRuntime(2, async (runtime) => {
      const { db } = await runtime.resolve("own-3");
      const { rows } = await region.control.pool.query<{ app_role: string }>(
        "SELECT app_role FROM data_locations WHERE slug = 'own-3'",
      );
      const role = rows[0]!.app_role;
      const rename = (from: string, to: string) =>
        region.tenantsDatabase.pool.query(`ALTER ROLE "${from}" RENAME TO "${to}"`);
      const renamed = `${role}_2`;
      await rename(role, renamed);
      await region.control.pool.query(
        "UPDATE data_locations SET app_role = $2, app_password = $3 WHERE slug = $1",
        [
          "own-3",
          renamed,
          await region.platform.keys.encrypt("secret", { purpose: "tenant-role", role: renamed }),
        ],
      );
      expect(await db.query("SELECT current_user AS user")).toMatchObject({ rows: [{ user: renamed }] });
      await rename(renamed, role);
      await region.control.pool.query(
        "UPDATE data_locations SET app_role = $2, app_password = $3 WHERE slug = $1",
        ["own-3", role, await region.platform.keys.encrypt("secret", { purpose: "tenant-role", role })],
      );
    });
  });

  it("that streams keeps its tenant in every event", async () => {
    await withRuntime(2, async (runtime) => {
      const seen = await Promise.all(
        ["dense-0", "own-0", "dense-1"].map((slug) =>
          runtime.run(slug, async (tenant) => {
            const client = await tenant.db.connect();
            const slugs = new Set<string>();
            const stream = client.query(
              new QueryStream("SELECT n FROM generate_series(1, $1) n", [250], { batchSize: 50 }),
            );
            stream.on("data", () => slugs.add(currentTenant().slug));
            await new Promise((resolve, reject) => stream.once("end", resolve).once("error", reject));
            client.release();
            return [...slugs];
          }),
        ),
      );
      expect(seen).toEqual([["dense-0"], ["own-0"], ["dense-1"]]);
    });
  });
});

describe("the breaker and the queue, by a clock that is moved by hand", () => {
  function target(tenant: string, database = "postgres"): LeaseTarget {
    const credentials = { user: "postgres", password: tenant };
    return {
      tenant,
      login: createLogin({ server: "s", database, credentials, role: "writer", shared: false }),
    };
  }

  it("refuses who waited too long", async () => {
    const clock = createFakeClock();
    const budget = new ConnectionBudget({
      connections: 4,
      endpoint: async () => ({ nodes: [inject("postgres")] }),
      clock,
      applicationName: "test",
      waitTimeoutMilliseconds: 1_000,
    });
    const held = await Promise.all(["a", "b", "c", "d"].map(async (tenant) => budget.lease(target(tenant))));
    const late = Promise.resolve(budget.lease(target("e"))).catch((error: unknown) => error);
    await clock.advance(1_010);
    expect(await late).toMatchObject({ code: "E_DATABASE_BUSY", status: 503 });
    for (const [i, connection] of held.entries())
      budget.release(connection, target(["a", "b", "c", "d"][i]!));
    await budget.end();
  });

  it("asks a server that is down no more than its pauses allow, and finds it again", async () => {
    const clock = createFakeClock();
    const port = await freePort();
    let endpoint: DatabaseEndpoint = { nodes: [{ host: "127.0.0.1", port }] };
    let attempts = 0;
    const closed = createServer((socket) => {
      attempts++;
      socket.destroy();
    });
    await new Promise<void>((resolve) => closed.listen(port, "127.0.0.1", resolve));
    const budget = new ConnectionBudget({
      connections: 8,
      endpoint: async () => endpoint,
      clock,
      applicationName: "test",
    });
    const ask = (tenant: string) =>
      (async () => budget.lease(target(tenant)))().catch((error: unknown) => error as Error);
    expect(await ask("a")).toMatchObject({ code: "E_DATABASE_UNAVAILABLE" });
    expect(attempts).toBe(1);
    for (let i = 0; i < 20; i++) expect(await ask("b")).toMatchObject({ code: "E_DATABASE_UNAVAILABLE" });
    expect(attempts).toBe(1);
    await clock.advance(200);
    expect(await Promise.all([ask("a"), ask("b"), ask("c")])).toHaveLength(3);
    expect(attempts).toBe(2);
    endpoint = { nodes: [inject("postgres")] };
    await clock.advance(400);
    const connection = await ask("a");
    expect(connection).toHaveProperty("client");
    budget.release(connection as never, target("a"));
    await budget.end();
    await new Promise((resolve) => closed.close(resolve));
  });

  it("closes what nobody used for long", async () => {
    const clock = createFakeClock();
    const budget = new ConnectionBudget({
      connections: 4,
      endpoint: async () => ({ nodes: [inject("postgres")] }),
      clock,
      applicationName: "test",
      idleTimeoutMilliseconds: 60_000,
    });
    budget.release(await budget.lease(target("a")), target("a"));
    await clock.advance(45_000);
    expect(budget.statistics().open).toBe(1);
    await clock.advance(45_000);
    expect(budget.statistics().open).toBe(0);
    await budget.end();
  });

  it("leaves a server that is merely full to those who have connections", async () => {
    const budget = new ConnectionBudget({
      connections: 4,
      endpoint: async () => ({ nodes: [inject("postgres")] }),
      clock: createSystemClock(),
      applicationName: "test",
    });
    const error = await (async () => budget.lease(target("a", "no-such-database")))().catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({ code: "3D000" });
    const connection = await budget.lease(target("b"));
    budget.release(connection, target("b"));
    await budget.end();
  });
});
