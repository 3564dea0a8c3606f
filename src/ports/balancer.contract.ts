import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { Balancer } from "./balancer.ts";

interface TestTarget {
  readonly id: string;
  readonly address: string;
  readonly zone: string;
  /** Paths of the requests that reached it, health checks apart. */
  readonly requests: string[];
}

/**
 * What every balancer must do. `make` gives one without targets; `nextHost` says where the next of the tests' targets is
 * to listen so that it reaches it. `settleMilliseconds` is how long a change of a target's state may take (default 15 s).
 */
export function balancerContract(
  name: string,
  make: () => Promise<{ readonly balancer: Balancer; nextHost(): string; dispose(): Promise<void> }>,
  options: { readonly settleMilliseconds?: number } = {},
): void {
  const settled = { timeout: options.settleMilliseconds ?? 15_000, interval: 20 };
  describe(`${name}: balancer`, { timeout: 4 * settled.timeout }, () => {
    let balancer: Balancer;
    let nextHost: () => string;
    let dispose: () => Promise<void>;
    let url: string;
    const servers = new Set<Server>();
    let counter = 0;

    beforeAll(async () => {
      ({ balancer, nextHost, dispose } = await make());
      ({ url } = await balancer.describe());
    });
    afterEach(async () => {
      await Promise.all(
        (await balancer.targets()).map(({ id }) => balancer.deregister(id, { drainSeconds: 0 })),
      );
      for (const server of servers) server.close().closeAllConnections();
      servers.clear();
    });
    afterAll(() => dispose());

    async function startTarget(
      options: { health?: RequestListener; answer?: RequestListener } = {},
    ): Promise<TestTarget> {
      const id = `i-${++counter}`;
      const requests: string[] = [];
      const health: RequestListener = options.health ?? ((_, response) => response.end("{}"));
      const answer: RequestListener = options.answer ?? ((_, response) => response.end(id));
      const server = createServer((request, response) => {
        if (request.url === "/_rowhouse/health") return health(request, response);
        requests.push(request.url ?? "");
        return answer(request, response);
      });
      servers.add(server);
      const host = nextHost();
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const { port } = server.address() as AddressInfo;
      return { id, address: `${host}:${port}`, zone: counter % 2 === 0 ? "a" : "b", requests };
    }

    function register({ id, address, zone }: TestTarget): Promise<void> {
      return balancer.register({ id, address, zone });
    }

    async function stateOf(id: string): Promise<string | undefined> {
      return (await balancer.targets()).find((target) => target.id === id)?.state;
    }

    async function becomes(id: string, state: string | undefined): Promise<void> {
      await expect.poll(() => stateOf(id), settled).toBe(state);
    }

    async function registerHealthy(...targets: readonly TestTarget[]): Promise<void> {
      await Promise.all(targets.map(register));
      await Promise.all(targets.map(({ id }) => becomes(id, "healthy")));
    }

    const get = async (path: string) => (await fetch(`${url}${path}`)).text();

    test("sends requests to a target once it is healthy", async () => {
      const target = await startTarget();
      await registerHealthy(target);
      expect(await balancer.targets()).toContainEqual({
        id: target.id,
        address: target.address,
        zone: target.zone,
        state: "healthy",
      });
      expect(await get("/hello?a=1")).toBe(target.id);
      expect(target.requests).toEqual(["/hello?a=1"]);
    });

    test("spreads requests over all healthy targets", async () => {
      const targets = [await startTarget(), await startTarget(), await startTarget()];
      await registerHealthy(...targets);
      const answers = new Set<string>();
      for (let i = 0; i < 30; i++) answers.add(await get(`/${i}`));
      expect(answers).toEqual(new Set(targets.map(({ id }) => id)));
    });

    test("keeps requests away from a target that is not well, and says why", async () => {
      const well = await startTarget();
      const ill = await startTarget({ health: (_, response) => void response.writeHead(503).end() });
      await registerHealthy(well);
      await register(ill);
      for (let i = 0; i < 20; i++) expect(await get(`/${i}`)).toBe(well.id);
      expect(ill.requests).toEqual([]);
      const described = (await balancer.targets()).find(({ id }) => id === ill.id);
      expect(described?.state).not.toBe("healthy");
    });

    test("takes a healthy target out when it falls ill, and back when it is well again", async () => {
      let status = 200;
      const well = await startTarget();
      const moody = await startTarget({ health: (_, response) => void response.writeHead(status).end() });
      await registerHealthy(well, moody);
      status = 500;
      await becomes(moody.id, "unhealthy");
      const seen = moody.requests.length;
      for (let i = 0; i < 10; i++) expect(await get(`/${i}`)).toBe(well.id);
      expect(moody.requests.length).toBe(seen);
      expect((await balancer.targets()).find(({ id }) => id === moody.id)?.reason).toEqual(
        expect.any(String),
      );
      status = 200;
      await becomes(moody.id, "healthy");
    });

    test("registering a target twice changes nothing", async () => {
      const target = await startTarget();
      await registerHealthy(target);
      await register(target);
      expect(await stateOf(target.id)).toBe("healthy");
    });

    test("registering with another address replaces the target", async () => {
      const [before, after] = [await startTarget(), await startTarget()];
      await registerHealthy(before);
      await balancer.register({ id: before.id, address: after.address, zone: before.zone });
      await becomes(before.id, "healthy");
      const listed = (await balancer.targets()).filter(({ id }) => id === before.id);
      expect(listed.map(({ address }) => address)).toEqual([after.address]);
      for (let i = 0; i < 5; i++) expect(await get(`/${i}`)).toBe(after.id);
      expect(before.requests).toEqual([]);
    });

    test("deregistering lets requests in flight end, and sends no new ones", async () => {
      const release = Promise.withResolvers<void>();
      const arrived = Promise.withResolvers<void>();
      const leaving = await startTarget({
        answer: async (_, response) => {
          arrived.resolve();
          await release.promise;
          response.end("finished");
        },
      });
      await registerHealthy(leaving);
      const inFlight = get("/slow");
      await arrived.promise;
      const staying = await startTarget();
      await registerHealthy(staying);
      const deregistered = balancer.deregister(leaving.id, { drainSeconds: 20 });
      await becomes(leaving.id, "draining");
      for (let i = 0; i < 5; i++) expect(await get(`/${i}`)).toBe(staying.id);
      release.resolve();
      expect(await inFlight).toBe("finished");
      await deregistered;
      expect(await stateOf(leaving.id)).toBeUndefined();
      expect(leaving.requests).toEqual(["/slow"]);
    });

    test("a drain ends when its time is over", async () => {
      const arrived = Promise.withResolvers<void>();
      const stuck = await startTarget({ answer: () => arrived.resolve() });
      await registerHealthy(stuck);
      const inFlight = fetch(`${url}/stuck`, { method: "POST", body: "x" }).then(
        (response) => response.status,
        () => "broken",
      );
      await arrived.promise;
      await balancer.deregister(stuck.id, { drainSeconds: 1 });
      expect(await stateOf(stuck.id)).toBeUndefined();
      expect([502, "broken"]).toContain(await inFlight);
    });

    test("deregistering what is not there is no error", async () => {
      await balancer.deregister("i-unknown");
    });

    test("lists a target that nobody answers for as not healthy", async () => {
      await balancer.register({ id: "i-nobody", address: `${nextHost()}:1`, zone: "a" });
      const target = (await balancer.targets()).find(({ id }) => id === "i-nobody");
      expect(["initial", "unhealthy"]).toContain(target?.state);
    });
  });
}
