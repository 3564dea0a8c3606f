import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeathGround } from "../../../test/support/death-ground.ts";
import { untilEnded } from "../../../test/support/region-program.ts";
import { fault } from "../../core/error.ts";
import type { WorkflowDefinition } from "../../ports/workflows.ts";
import type { RegionContext } from "../region-context.ts";
import { sweepSignups } from "./sweep.ts";
import { type SignupWorkflowInput, signupWorkflow } from "./workflow.ts";

describe("sign-ups of a region", () => {
  let ground: DeathGround;
  let context: RegionContext;

  beforeAll(async () => {
    ground = await DeathGround.open();
    context = await ground.openRegion({ slug: "signups", tables: "CREATE TABLE books (title text)" });
    const { workflows } = context.platform;
    workflows.register(failingSignup(context));
    await workflows.launch();
  });
  afterAll(async () => {
    await ground.dispose();
  });

  const inputOf = (id: string, slug: string): SignupWorkflowInput => ({
    ...{ id, slug, name: "Race", region: "eu-west-1", plan: "starter", email: "r@race.example" },
  });

  it("leave the winner of a slug all that the loser takes back; the region's copy goes with who holds it", async () => {
    const { steps } = signupWorkflow(context);
    const reserve = steps.find(({ name }) => name === "reserve-slug")!;
    const [winner, loser] = [inputOf("winner", "race"), inputOf("loser", "race")];
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

  it("hold a slug whose data can't be removed just now, and free it when it could be", async () => {
    const { workflows } = context.platform;
    const id = "eu-west-1.stuck";
    await workflows.start("signup", id, inputOf(id, "stuck"));
    const execution = await untilEnded(workflows, id);
    expect(execution).toMatchObject({ state: "failed", notUndone: ["place", "reserve-slug"] });
    const next = inputOf("eu-west-1.next", "stuck");
    const { steps } = signupWorkflow(context);
    await expect(steps[0]!.run(next, {})).rejects.toMatchObject({ code: "E_TENANT_SLUG_TAKEN" });
    expect(await ground.count(ground.region, "data_locations WHERE slug = 'stuck'")).toBe(1);

    await sweepSignups(context);
    expect(await ground.count(ground.region, "data_locations WHERE slug = 'stuck'")).toBe(0);
    await steps[0]!.run(next, {});
    // It is another's now, whose sign-up is under way.
    await sweepSignups(context);
    expect(await context.directory.isReserved("stuck", next.id)).toBe(true);
    await steps[0]!.undo?.(next, {});
  });

  it("undo nothing of a tenant whose activation has counted, even if nobody heard so", async () => {
    const { steps } = signupWorkflow(context);
    const input = inputOf("eu-west-1.open", "open");
    for (const { run } of steps) await run(input, {});
    for (const { undo } of steps.toReversed()) await undo?.(input, {});
    expect((await context.directory.find("open"))?.state).toBe("active");
    expect(await ground.count(ground.region, "data_locations WHERE slug = 'open'")).toBe(1);
    expect(await ground.count(ground.region, "profiles WHERE slug = 'open'")).toBe(1);
    await context.tenantData.drop((await context.locations.find("open"))!);
  });
});

/** A sign-up whose tables can't be made, and whose place can't be removed either. */
function failingSignup(context: RegionContext): WorkflowDefinition<SignupWorkflowInput> {
  const refuse = () => Promise.reject(fault("E_QUOTA", "There is no room."));
  const definition = signupWorkflow(context);
  return {
    ...definition,
    steps: definition.steps.map((step) => {
      if (step.name === "migrate") return { ...step, run: refuse };
      return step.name === "place" ? { ...step, undo: refuse } : step;
    }),
  };
}
