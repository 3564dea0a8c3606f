import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { DeathGround } from "../../../test/support/death-ground.ts";
import { openRegionProgram } from "../../../test/support/region-program.ts";
import type { RegionContext } from "../region-context.ts";
import { type SignupWorkflowInput, signupWorkflow } from "./workflow.ts";

describe("two sign-ups for one slug in a region", () => {
  let ground: DeathGround;
  let context: RegionContext;
  const cleanUp: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    ground = await DeathGround.open();
    const place = { node: inject("postgres"), folder: ground.folder };
    const opened = await openRegionProgram(
      {
        ...place,
        directoryDatabase: ground.directory.name,
        regionDatabase: ground.region.name,
        slug: "race",
        config: {
          app: "./app.ts",
          domain: "shop.example",
          regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
          plans: { starter: { isolation: "schema" } },
        },
      },
      { name: "eu-west-1", tables: "CREATE TABLE books (title text)" },
    );
    context = opened;
    cleanUp.push(
      () => opened.tenantData.close(),
      () => opened.administration.close(),
      () => opened.pool.end(),
      () => opened.directoryPool.end(),
    );
  });
  afterAll(async () => {
    for (const close of cleanUp) await close();
    await ground.dispose();
  });

  it("leave the winner everything that the loser takes back, and the region's copy goes with the one that holds it", async () => {
    const { steps } = signupWorkflow(context);
    const reserve = steps.find(({ name }) => name === "reserve-slug")!;
    const inputOf = (id: string): SignupWorkflowInput => ({
      ...{ id, slug: "race", name: "Race", region: "eu-west-1", plan: "starter", email: "r@race.example" },
    });
    const [winner, loser] = [inputOf("winner"), inputOf("loser")];
    for (const { name, run } of steps) {
      await run(winner, {});
      if (name === "migrate") break;
    }
    const copies = () => ground.count(ground.region, "tenants WHERE slug = 'race'");
    expect(await copies()).toBe(1);

    await expect(reserve.run(loser, {})).rejects.toMatchObject({ code: "E_TENANT_SLUG_TAKEN" });
    await reserve.undo?.(loser, {});
    expect(await copies()).toBe(1);
    expect(await ground.count(ground.directory, "tenants WHERE slug = 'race'")).toBe(1);

    for (const { undo } of steps.slice(0, 5).reverse()) await undo?.(winner, {});
    expect(await copies()).toBe(0);
    expect(await ground.count(ground.directory, "tenants WHERE slug = 'race'")).toBe(0);
  });
});
