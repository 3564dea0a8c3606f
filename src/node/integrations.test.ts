import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createFakeClock, type FakeClock } from "../../test/support/fake-clock.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { startWebhookReceiver, type WebhookReceiver } from "../../test/support/webhook-receiver.ts";
import type { WebhookRetryPolicy } from "../core/integration/retry.ts";
import type { Random } from "../ports/clock.ts";
import { integrationsContract } from "../ports/integrations.contract.ts";
import { createSystemClock } from "./clock.ts";
import { createIntegrations, type WebhookIntegrations } from "./integrations.ts";

integrationsContract("webhooks", async () => {
  let statuses: readonly number[] = [200];
  let asked = 0;
  const crm = await startWebhookReceiver((response) =>
    response.writeHead(statuses[asked++] ?? statuses.at(-1)!).end(),
  );
  const billing = await startWebhookReceiver((response) => response.writeHead(200).end());
  const integrations = createIntegrations({
    config: {
      crm: { url: crm.url, secret: crm.secret },
      billing: { url: billing.url, secret: billing.secret },
    },
    clock: createSystemClock(),
    retry: { firstPauseMilliseconds: 2 },
  });
  const receivers = { crm, billing };
  return {
    integrations,
    answer: (next) => {
      statuses = next;
      asked = 0;
    },
    arrivedAt: (system) =>
      receivers[system].arrived.map(({ headers, body }) => ({ id: String(headers["webhook-id"]), body })),
    dispose: async () => {
      await integrations.close();
      await crm.close();
      await billing.close();
    },
  };
});

const event = { type: "tenant.created", id: "evt-1", occurredAt: new Date(0), data: { slug: "acme" } };
let clock: FakeClock;
let receiver: WebhookReceiver | undefined;
let integrations: WebhookIntegrations | undefined;
beforeEach(() => {
  clock = createFakeClock();
});
afterEach(async () => {
  await receiver?.close();
  receiver = undefined;
  await integrations?.close();
  integrations = undefined;
});

/** Makes each pause as long as it may be. */
const longestPauses: Random = { bytes: (length) => new Uint8Array(length).fill(255), uuid: () => "" };

function open(
  target: { url: string; secret: string },
  retry: Partial<WebhookRetryPolicy> = {},
): WebhookIntegrations {
  const config = { crm: { url: target.url, secret: target.secret } };
  integrations = createIntegrations({ config, clock, retry, random: longestPauses });
  return integrations;
}

describe("pauses", () => {
  test("double between attempts, and each attempt is signed at its own time", async () => {
    receiver = await startWebhookReceiver((response, n) => response.writeHead(n < 3 ? 500 : 200).end());
    const start = clock.now().getTime();
    const delivered = open(receiver).notify("crm", event);
    for (const longest of [500, 1000, 2000]) {
      await clock.untilSleeping();
      await clock.advance(longest);
    }
    expect(await delivered).toBe("delivered");
    const times = receiver.arrived.map(({ headers }) => Number(headers["webhook-timestamp"]));
    expect(times).toEqual([0, 500, 1500, 3500].map((passed) => Math.floor((start + passed) / 1000)));
    expect(new Set(receiver.arrived.map(({ headers }) => headers["webhook-id"]))).toEqual(new Set(["evt-1"]));
  });

  test("are as long as the receiver asks for", async () => {
    receiver = await startWebhookReceiver((response, n) =>
      n === 0 ? response.writeHead(429, { "retry-after": "9" }).end() : response.writeHead(200).end(),
    );
    const delivered = open(receiver).notify("crm", event);
    await clock.untilSleeping();
    await clock.advance(8_999);
    expect(receiver.arrived).toHaveLength(1);
    await clock.advance(1);
    expect(await delivered).toBe("delivered");
  });

  test("longer than the whole time are not begun: the caller hears of it at once", async () => {
    receiver = await startWebhookReceiver((response) =>
      response.writeHead(503, { "retry-after": "3600" }).end(),
    );
    await expect(open(receiver).notify("crm", event)).rejects.toMatchObject({
      code: "E_INTEGRATION",
      reason: "The CRM (integrations.crm) answered 503.",
    });
    expect(receiver.arrived).toHaveLength(1);
  });
});

test("a receiver that never accepts is named with its status and the attempts", async () => {
  receiver = await startWebhookReceiver((response) => response.writeHead(502).end("x".repeat(1_000_000)));
  const delivery = open(receiver, { firstPauseMilliseconds: 0 }).notify("crm", event);
  await expect(delivery).rejects.toMatchObject({
    reason: "The CRM (integrations.crm) answered 502 at the last of 5 attempts.",
  });
  expect(receiver.arrived).toHaveLength(5);
});

test("a receiver that stays silent is given up, each time", async () => {
  receiver = await startWebhookReceiver(() => {});
  const patience = { attemptTimeoutMilliseconds: 50, firstPauseMilliseconds: 0, maxAttempts: 2 };
  await expect(open(receiver, patience).notify("crm", event)).rejects.toMatchObject({
    reason: "The CRM (integrations.crm) did not answer (TimeoutError) at the last of 2 attempts.",
  });
  expect(receiver.arrived).toHaveLength(2);
});

test("a receiver whose answer never ends has answered", async () => {
  receiver = await startWebhookReceiver((response) => void response.writeHead(200).write("and then"));
  expect(await open(receiver).notify("crm", event)).toBe("delivered");
});

test("a receiver that breaks the connection, or isn't there, is tried again", async () => {
  receiver = await startWebhookReceiver((response, n) =>
    n === 0 ? response.destroy() : response.writeHead(204).end(),
  );
  expect(await open(receiver, { firstPauseMilliseconds: 0 }).notify("crm", event)).toBe("delivered");
  expect(receiver.arrived).toHaveLength(2);
  await integrations?.close();
  const nobody = { url: `http://127.0.0.1:${await freePort()}/`, secret: receiver.secret };
  await expect(
    open(nobody, { firstPauseMilliseconds: 0, maxAttempts: 2 }).notify("crm", event),
  ).rejects.toMatchObject({
    reason: "The CRM (integrations.crm) did not answer (ECONNREFUSED) at the last of 2 attempts.",
  });
});

test.each([301, 302, 307, 308])(
  "a redirect of %i is not followed: signed data goes where the config says",
  async (status) => {
    const elsewhere = await startWebhookReceiver((response) => response.writeHead(200).end());
    receiver = await startWebhookReceiver((response) =>
      response.writeHead(status, { location: elsewhere.url }).end(),
    );
    await expect(open(receiver).notify("crm", event)).rejects.toMatchObject({
      reason: `The CRM (integrations.crm) answered ${status}.`,
    });
    expect(elsewhere.arrived).toEqual([]);
    await elsewhere.close();
  },
);

test("a wrong secret shows as the receiver's refusal", async () => {
  receiver = await startWebhookReceiver((response) => response.writeHead(200).end());
  const secret = `whsec_${Buffer.from("another secret").toString("base64")}`;
  await expect(open({ url: receiver.url, secret }).notify("crm", event)).rejects.toMatchObject({
    reason: "The CRM (integrations.crm) answered 401.",
  });
});

test("an error tells neither the address nor the secret nor the data", async () => {
  receiver = await startWebhookReceiver((response) => response.writeHead(400).end());
  const delivery = open(receiver).notify("crm", event);
  const error = (await delivery.catch((thrown: unknown) => thrown)) as Error;
  expect(error).toMatchObject({ code: "E_INTEGRATION" });
  for (const secret of ["127.0.0.1", receiver.secret, "acme"]) expect(error.message).not.toContain(secret);
});
