import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { startTestBalancer, type TestBalancer } from "../../test/support/balancer.ts";
import { startTargetProcess, type TargetProcess } from "../../test/support/target-process.ts";
import { balancerContract } from "../ports/balancer.contract.ts";

balancerContract("embedded", async () => {
  const { balancer, dispose } = await startTestBalancer();
  return { balancer, nextHost: () => "127.0.0.1", dispose };
});

describe("the balancer process", () => {
  let tested: TestBalancer;
  let folder: string;
  let file: string;
  const targets: TargetProcess[] = [];
  const agent = new Agent({ connections: 32, pipelining: 1 });

  beforeAll(async () => {
    tested = await startTestBalancer();
    folder = await mkdtemp(join(tmpdir(), "rowhouse-targets-"));
  });
  afterEach(async () => {
    const { balancer } = tested;
    await Promise.all(
      (await balancer.targets()).map(({ id }) => balancer.deregister(id, { drainSeconds: 0 })),
    );
    await Promise.all(targets.splice(0).map((target) => target.kill()));
  });
  afterAll(async () => {
    await agent.close();
    await tested.dispose();
    await rm(folder, { recursive: true });
  });

  async function startTargets(count: number): Promise<void> {
    file = join(folder, `${Math.random()}.log`);
    await appendFile(file, "");
    for (let i = 0; i < count; i++) {
      const target = await startTargetProcess(file);
      targets.push(target);
      await tested.balancer.register({
        id: `i-${i}`,
        address: target.address,
        zone: i % 2 === 0 ? "a" : "b",
      });
    }
    await expect
      .poll(async () => (await tested.balancer.targets()).filter(({ state }) => state === "healthy").length, {
        timeout: 10_000,
      })
      .toBe(count);
  }

  /** Sends `total` requests, 32 at a time; gives each one's status, or what broke. */
  async function load(
    total: number,
    method: (i: number) => "GET" | "PUT" | "POST",
    at: (done: number) => void,
  ) {
    const results: (number | string)[] = [];
    let next = 0;
    let done = 0;
    const worker = async () => {
      for (let i = next++; i < total; i = next++) {
        const verb = method(i);
        const body = verb === "GET" ? null : `body of ${i}`;
        const headers = { host: "acme.localhost", "x-id": `${i}` };
        results[i] = await request(`${tested.url}/${i}`, {
          method: verb,
          body,
          headers,
          dispatcher: agent,
        }).then(
          async (answer) => {
            const text = await answer.body.text();
            return answer.statusCode === 200 && !text.includes(`"bytes":${body?.length ?? 0}`)
              ? text
              : answer.statusCode;
          },
          (error: Error) => error.message,
        );
        at(++done);
      }
    };
    await Promise.all(Array.from({ length: 32 }, worker));
    return results;
  }

  test("a kill -9 of an instance costs no GET and no PUT", { timeout: 60_000 }, async () => {
    await startTargets(2);
    const results = await load(
      2000,
      (i) => (i % 2 === 0 ? "GET" : "PUT"),
      (done) => {
        if (done === 700) void targets[0]!.kill();
      },
    );
    expect(results.filter((result) => result !== 200)).toEqual([]);
    expect(targets[0]!.child.signalCode).toBe("SIGKILL");
  });

  test("nor does one of the only instance when another takes its place", { timeout: 60_000 }, async () => {
    await startTargets(1);
    let replaced: Promise<unknown> = Promise.resolve();
    const replace = async () => {
      await targets[0]!.kill();
      const port = Number(targets[0]!.address.split(":")[1]);
      targets.push(await startTargetProcess(file, port));
    };
    const results = await load(
      800,
      () => "GET",
      (done) => {
        if (done === 300) replaced = replace();
      },
    );
    await replaced;
    expect(results.filter((result) => result !== 200)).toEqual([]);
  });

  test("a POST is never carried out twice, and one that broke says so", { timeout: 60_000 }, async () => {
    await startTargets(2);
    const results = await load(
      1000,
      () => "POST",
      (done) => {
        if (done === 300) void targets[1]!.kill();
      },
    );
    const carriedOut = (await readFile(file, "utf8")).trim().split("\n");
    expect(new Set(carriedOut).size).toBe(carriedOut.length);
    expect(results.every((result) => result === 200 || result === 502)).toBe(true);
    const lost = results.flatMap((result, i) =>
      result === 200 && !carriedOut.includes(`POST ${i}`) ? [i] : [],
    );
    expect(lost).toEqual([]);
    // Only what the killed instance held at that moment can have broken.
    expect(results.filter((result) => result === 502).length).toBeLessThanOrEqual(32);
  });

  test("is started again after a kill -9, and serves its targets at once", async () => {
    await startTargets(1);
    const { pid } = await tested.balancer.describe();
    process.kill(pid!, "SIGKILL");
    await expect
      .poll(
        () =>
          fetch(`${tested.url}/again`).then(
            (answer) => answer.status,
            () => 0,
          ),
        { interval: 5, timeout: 5000 },
      )
      .toBe(200);
    expect((await tested.balancer.describe()).pid).not.toBe(pid);
    expect(await tested.balancer.targets()).toMatchObject([{ id: "i-0", state: "healthy" }]);
  });

  test("is taken over by the next engine, and needs none", async () => {
    await startTargets(1);
    const { pid } = await tested.balancer.describe();
    const next = tested.again();
    await next.start();
    expect((await next.describe()).pid).toBe(pid);
    await next.stopWatching();
    expect((await fetch(`${tested.url}/x`)).status).toBe(200);
  });
});
