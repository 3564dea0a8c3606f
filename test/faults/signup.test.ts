import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { signupSteps } from "../../src/core/signup/steps.ts";
import { DeathGround } from "../support/death-ground.ts";
import type { SignupProcessOptions } from "../support/signup-process.ts";
import { startWebhookReceiver } from "../support/webhook-receiver.ts";

describe("a sign-up that is killed at every step", () => {
  let ground: DeathGround;
  let receiver: Awaited<ReturnType<typeof startWebhookReceiver>>;

  beforeAll(async () => {
    ground = await DeathGround.open();
    receiver = await startWebhookReceiver((response) => void response.writeHead(204).end());
  });
  afterAll(async () => {
    await receiver.close();
    await ground.dispose();
  });

  function signUp(slug: string, plan: string, fails: boolean) {
    return ground.runToTheEnd<SignupProcessOptions>("signup-process.ts", {
      ...{ slug, plan, fails },
      config: {
        app: "./app.ts",
        domain: "bookshop.example",
        regions: {
          "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
          "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
        },
        plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
        integrations: {
          crm: { url: receiver.url, secret: receiver.secret },
          billing: { url: receiver.url, secret: receiver.secret },
        },
      },
    });
  }

  it("ends in the same tenant, once", async () => {
    const { directory, region, count } = ground;
    const outcome = await signUp("survivor", "starter", false);
    expect(outcome).toMatchObject({ state: "completed", kills: signupSteps.length * 2 });
    const { rows } = await directory.pool.query(
      "SELECT state, plan, region FROM tenants WHERE slug = 'survivor'",
    );
    expect(rows).toEqual([{ state: "active", plan: "starter", region: "us-east-1" }]);
    expect(await count(region, "data_locations WHERE slug = 'survivor' AND ready")).toBe(1);
    expect(await count(region, "profiles WHERE slug = 'survivor'")).toBe(1);
    expect(await count(region, "administrators WHERE slug = 'survivor'")).toBe(1);
    expect(await count(region, "engine.outbox WHERE tenant = 'survivor'")).toBe(1);
    expect(await count(directory, "engine.dns_records WHERE name LIKE 'survivor.%'")).toBe(1);
    const ids = receiver.arrived.map((webhook) => String(webhook.headers["webhook-id"]));
    expect(new Set(ids.filter((id) => id.includes("survivor"))).size).toBe(2);
  }, 180_000);

  it("takes everything back when a step fails, and the slug is free again", async () => {
    const { directory, region, count } = ground;
    const outcome = await signUp("fallen", "business", true);
    expect(outcome).toMatchObject({ state: "failed", error: expect.stringContaining("There is no room.") });
    expect(outcome.kills).toBeGreaterThan(signupSteps.length * 2);
    expect(await count(directory, "tenants WHERE slug = 'fallen'")).toBe(0);
    expect(await count(region, "tenants WHERE slug = 'fallen'")).toBe(0);
    expect(await count(region, "data_locations WHERE slug = 'fallen'")).toBe(0);
    expect(await count(region, "profiles WHERE slug = 'fallen'")).toBe(0);
    expect(await count(directory, "engine.dns_records WHERE name LIKE 'fallen.%'")).toBe(0);
    expect(await ground.strayRoles()).toEqual([]);
  }, 180_000);
});
