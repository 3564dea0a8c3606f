import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { startMetadataService } from "../../test/support/aws/metadata-service.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { readMachine } from "./machine.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A clock whose pauses are over at once. */
function createHurriedClock() {
  return { ...createFakeClock(), sleep: async () => {} };
}

/** A metadata service that answers every request by the next of these, and by the last one for ever. */
async function service(...statuses: readonly number[]) {
  let calls = 0;
  const server = createServer((_, response) => {
    const status = statuses[Math.min(calls++, statuses.length - 1)]!;
    response.writeHead(status).end(status === 200 ? "text" : "");
  });
  stops.push(() => server.close().closeAllConnections());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { endpoint, calls: () => calls };
}

describe("a machine", () => {
  it("learns who it is, with a token", async () => {
    const tags = { "rowhouse:prefix": "shop", "rowhouse:instance": "i-1", Name: "a name, with space" };
    const metadata = await startMetadataService({
      ...{ instanceId: "i-0a1b", region: "eu-west-1", zone: "b", address: "10.16.0.4", tags },
    });
    stops.push(() => metadata.stop());
    expect(await readMachine({ endpoint: `${metadata.endpoint}/`, clock: createFakeClock() })).toEqual({
      ec2InstanceId: "i-0a1b",
      region: "eu-west-1",
      zone: "b",
      address: "10.16.0.4",
      tags,
    });
    expect(metadata.requests[0]).toBe("/latest/api/token");
  });

  it("asks again when the service is overcharged", async () => {
    const { endpoint } = await service(503, 429, 200);
    expect(await readMachine({ endpoint, clock: createHurriedClock() })).toMatchObject({
      ec2InstanceId: "text",
    });
  });

  it("does not ask again for what is refused", async () => {
    const { endpoint, calls } = await service(403);
    await expect(readMachine({ endpoint, clock: createHurriedClock() })).rejects.toMatchObject({
      code: "E_AWS_METADATA",
      reason: expect.stringContaining("403"),
    });
    expect(calls()).toBe(1);
  });

  it("says so when it is none", async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    await expect(readMachine({ endpoint, clock: createHurriedClock() })).rejects.toMatchObject({
      code: "E_AWS_METADATA",
      cause: expect.any(Error),
    });
  });
});
