import { request } from "undici";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answering, BalancerHarness } from "../../../test/support/balancer-harness.ts";

const harness = new BalancerHarness();
beforeEach(() => harness.start());
afterEach(() => harness.dispose());

const host = { host: "acme.localhost:8080" };

describe("administration", () => {
  test("is invisible without the token", async () => {
    for (const headers of [{}, { authorization: "Bearer wrong" }]) {
      const answer = await request(`${harness.url}/_rowhouse/balancer/targets`, {
        headers: { ...host, ...headers },
      });
      expect([answer.statusCode, await answer.body.json()]).toMatchObject([404, { code: "E_NOT_FOUND" }]);
    }
  });

  test("refuses what is no target", async () => {
    for (const body of [
      {},
      { address: "here", zone: "a" },
      { address: "127.0.0.1:1", zone: "" },
      null,
      "x",
    ]) {
      const { status, text } = await harness.administer("PUT", "/i-1", body);
      expect([status, JSON.parse(text).code]).toEqual([400, "E_ARGUMENT"]);
    }
    expect((await harness.administer("DELETE", "/i-1?drainSeconds=soon")).status).toBe(400);
    expect((await harness.administer("PATCH", "/i-1")).status).toBe(404);
  });

  test("remembers the targets over a restart", async () => {
    const address = await harness.add(
      "i-1",
      answering((_, response) => response.end("kept")),
    );
    await harness.register("i-gone", "127.0.0.1:1");
    await harness.administer("DELETE", "/i-gone");
    await harness.stop();
    await harness.start();
    expect(await (await request(harness.url)).body.text()).toBe("kept");
    expect(Object.keys(await harness.states())).toEqual(["i-1"]);
    expect((await harness.states())["i-1"]).toMatchObject({ address, zone: "a" });
  });

  test("stops in order: what was begun is finished, and nothing new is taken", async () => {
    const release = Promise.withResolvers<void>();
    const arrived = Promise.withResolvers<void>();
    await harness.add(
      "i-1",
      answering(async (_, response) => {
        arrived.resolve();
        await release.promise;
        response.end("finished");
      }),
    );
    const inFlight = request(harness.url);
    await arrived.promise;
    const stopped = harness.stop();
    await expect(request(harness.url, { method: "POST" })).rejects.toThrow();
    release.resolve();
    expect(await (await inFlight).body.text()).toBe("finished");
    await stopped;
    await harness.start();
  });
});
