import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { DatabaseDocument } from "../../src/control/database/servers.ts";
import type { StatusDocument } from "../../src/control/status.ts";
import { processesOf } from "../support/processes-of.ts";
import { signalIfAlive } from "../support/signal-if-alive.ts";
import { createSystem, type System } from "../support/system.ts";

const kill = (pid: number): void => signalIfAlive(pid, "SIGKILL");

describe.runIf(process.platform === "linux")("crashes", () => {
  let system: System;
  const acknowledged = new Set<string>();
  const loads: { stop(): Promise<void> }[] = [];

  beforeAll(async () => {
    system = await createSystem();
    await system.up();
    for (const [slug, region, plan] of [
      ["north", "eu-west-1", "business"],
      ["south", "us-east-1", "business"],
    ] as const) {
      await system.json(
        ...["tenant", "create", slug, "--name", slug, "--region", region, "--plan", plan],
        ...["--email", `o@${slug}.example`],
      );
    }
  }, 120_000);
  // One that a test which failed has left would go on for ever.
  afterEach(async () => {
    for (const load of loads.splice(0)) await load.stop();
  });
  afterAll(() => system.dispose(), 60_000);

  const instances = (status: StatusDocument) =>
    status.regions.flatMap((region) => region.fleets[0]?.instances ?? []);

  async function write(slug: string, title: string): Promise<boolean> {
    const response = await system
      .tenant(slug, "/api/books", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ title, author: "A" }),
      })
      .catch(() => undefined);
    if (response?.status === 201) acknowledged.add(`${slug}/${title}`);
    await response?.body?.cancel();
    return response?.status === 201;
  }

  /** Does all of this again and again, beside each other, until it is told to stop or the test ends. */
  function startLoad(works: readonly ((round: number) => Promise<unknown>)[]): { stop(): Promise<void> } {
    let stopped = false;
    const loops = works.map(async (work) => {
      // A request may fail without waiting for anything: others must come to their turn.
      for (let round = 0; !stopped; round++) await Promise.all([work(round), sleep(1)]);
    });
    const load = {
      stop: async () => {
        stopped = true;
        await Promise.all(loops);
      },
    };
    loads.push(load);
    return load;
  }

  /** Writes to both tenants. */
  function startWriting(prefix: string): { stop(): Promise<void> } {
    return startLoad(["north", "south"].map((slug) => (round) => write(slug, `${prefix} ${round}`)));
  }

  /** Instances may take a moment until they trust a database again that was away. */
  async function titlesOf(slug: string): Promise<string[]> {
    let titles: string[] = [];
    const read = async () => {
      const response = await system.tenant(slug, "/api/books?limit=1000000");
      const body = await response.json();
      if (response.status !== 200) return response.status;
      titles = (body as { books: { title: string }[] }).books.map((book) => `${slug}/${book.title}`);
      return response.status;
    };
    await expect.poll(read, { timeout: 20_000 }).toBe(200);
    return titles;
  }

  async function expectEveryAcknowledgedRow(): Promise<void> {
    for (const slug of ["north", "south"]) {
      const mine = [...acknowledged].filter((title) => title.startsWith(`${slug}/`));
      const titles = await titlesOf(slug);
      expect(mine.filter((title) => !titles.includes(title))).toEqual([]);
      const written = titles.filter((title) => mine.includes(title));
      expect(written.length).toBe(new Set(written).size);
    }
  }

  it("refuses a second `up` on the same state folder with exit code 2", async () => {
    const second = await system.cli("up", "--port", "29080", "--json");
    expect(second.code).toBe(2);
    expect(second.json()).toMatchObject({ error: { code: "E_STATE_LOCKED" } });
  });

  it("loses no request that may be repeated when an instance is killed, and replaces it", async () => {
    const before = instances(await system.status());
    const victim = before[0];
    const statuses: number[] = [];
    const read = async () => {
      const response = await system
        .tenant("north", "/api/books?limit=5")
        .catch(() => ({ status: 0, body: null }));
      statuses.push(response.status);
      await response.body?.cancel();
    };
    const reading = startLoad(Array.from({ length: 8 }, () => read));
    await expect.poll(() => statuses.length, { timeout: 20_000 }).toBeGreaterThan(50);
    kill(victim?.pid ?? 0);
    const replaced = async () => {
      const now = instances(await system.status());
      return (
        now.length === before.length && now.every((one) => one.health === "healthy" && one.id !== victim?.id)
      );
    };
    await expect.poll(replaced, { timeout: 20_000, interval: 200 }).toBe(true);
    await reading.stop();
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  }, 60_000);

  it("serves on without the supervisor, and `up` takes over what runs", async () => {
    const before = await system.status();
    const writing = startWriting("without supervisor");
    kill(before.pid);
    const atBalancer = await system.tenant("north", "/api/books?limit=1", {
      at: system.balancerUrl("eu-west-1"),
    });
    expect(atBalancer.status).toBe(200);
    await system.up();
    await writing.stop();
    const after = await system.status();
    expect(after.pid).not.toBe(before.pid);
    expect(after.regions.map((region) => region.controller.pid)).toEqual(
      before.regions.map((region) => region.controller.pid),
    );
    expect(instances(after).map((one) => one.pid)).toEqual(instances(before).map((one) => one.pid));
    await expectEveryAcknowledgedRow();
  }, 60_000);

  it("starts a killed controller and a killed balancer again, and their region goes on", async () => {
    const before = await system.status();
    const region = before.regions[0];
    kill(region?.controller.pid ?? 0);
    kill(region?.balancer.pid ?? 0);
    const isBack = async () => {
      const now = (await system.status()).regions[0];
      return (
        now?.status === "ready" &&
        now.controller.pid !== region?.controller.pid &&
        now.balancer.pid !== region?.balancer.pid
      );
    };
    await expect.poll(isBack, { timeout: 30_000, interval: 200 }).toBe(true);
    expect(await write("north", "after the controller")).toBe(true);
  }, 60_000);

  it("fails a killed database over to the other zone, with every acknowledged row", async () => {
    const databaseNow = async () => (await system.status()).regions[0]?.databases[0];
    const before = await databaseNow();
    const writing = startWriting("failed over");
    const count = () => acknowledged.size;
    const counted = count();
    await expect.poll(count, { timeout: 20_000 }).toBeGreaterThan(counted + 5);
    kill(before?.primary?.pid ?? 0);
    const isBack = async () => {
      const now = await databaseNow();
      return now?.status === "available" && now.primary?.zone === before?.standby?.zone;
    };
    await expect.poll(isBack, { timeout: 30_000, interval: 200 }).toBe(true);
    await writing.stop();
    expect((await databaseNow())?.primary?.pid).toBe(before?.standby?.pid);
    await expectEveryAcknowledgedRow();
  }, 90_000);

  it("fails every database over on purpose, the directory's too, while tenants write", async () => {
    const list = () => system.json<DatabaseDocument[]>("database", "list");
    const before = await list();
    expect(before.map(({ region, name }) => `${region}/${name}`)).toEqual(
      expect.arrayContaining(["eu-west-1/shared-1", "us-east-1/shared-1", "global/directory"]),
    );
    const writing = startWriting("on purpose");
    for (const { region, name, primary, standby } of before) {
      const isInSync = async () =>
        (await list()).some((one) => one.region === region && one.name === name && one.inSync);
      await expect.poll(isInSync, { timeout: 30_000, interval: 200 }).toBe(true);
      expect(await system.json("database", "fail-over", `${region}/${name}`, "--yes")).toMatchObject({
        ...{ region, server: name, durationMs: expect.any(Number) },
        ...{ from: { zone: primary?.zone }, to: { zone: standby?.zone } },
      });
    }
    await writing.stop();
    const ambiguous = await system.cli("database", "fail-over", "shared-1", "--yes", "--json");
    expect(ambiguous.json()).toMatchObject({
      error: { code: "E_ARGUMENT", remedy: expect.stringContaining("us-east-1/shared-1") },
    });
    await expect.poll(() => write("north", "after all failed over"), { timeout: 20_000 }).toBe(true);
    await expectEveryAcknowledgedRow();
  }, 120_000);

  it("brings both nodes of a database back, with every acknowledged row", async () => {
    const [database] = (await system.status()).regions[0]?.databases ?? [];
    const writing = startWriting("killed database");
    await sleep(300);
    kill(database?.primary?.pid ?? 0);
    kill(database?.standby?.pid ?? 0);
    const isBack = async () => (await system.status()).regions[0]?.databases[0]?.status === "available";
    await expect.poll(isBack, { timeout: 30_000, interval: 200 }).toBe(true);
    await writing.stop();
    await expect.poll(() => write("north", "after the database"), { timeout: 20_000 }).toBe(true);
    await expectEveryAcknowledgedRow();
  }, 90_000);

  it("brings every acknowledged row back after everything was killed at once", async () => {
    const writing = startWriting("everything");
    await sleep(500);
    const everything = await processesOf(system.stateDirectory);
    expect(everything.length).toBeGreaterThanOrEqual(15);
    for (const pid of everything) kill(pid);
    await writing.stop();
    await system.up();
    await expectEveryAcknowledgedRow();
    expect(acknowledged.size).toBeGreaterThan(20);
  }, 120_000);

  it("says which port is taken and how to change it, before it starts anything", async () => {
    const stranger = createServer();
    const other = await createSystem();
    const taken = other.basePort + 1;
    await new Promise<void>((resolve) => stranger.listen(taken, "127.0.0.1", resolve));
    try {
      const result = await other.cli("up", "--port", String(other.basePort), "--json");
      expect(result.code).toBe(2);
      expect(result.json()).toMatchObject({
        error: { code: "E_PORT_IN_USE", message: expect.stringMatching(new RegExp(`${taken}.*--port`)) },
      });
      expect(await processesOf(other.stateDirectory)).toEqual([]);
    } finally {
      stranger.close();
      await other.dispose();
    }
  }, 60_000);

  it("leaves no process behind after `down`, and the tenants are there after the next `up`", async () => {
    await system.json("down");
    expect(await processesOf(system.stateDirectory)).toEqual([]);
    await system.up();
    await expectEveryAcknowledgedRow();
    const tenants = await system.json<{ slug: string; state: string }[]>("tenant", "list");
    expect(tenants).toMatchObject([
      { slug: "north", state: "active" },
      { slug: "south", state: "active" },
    ]);
  }, 120_000);
});
