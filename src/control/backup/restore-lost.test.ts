import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DeathGround } from "../../../test/support/death-ground.ts";
import { asTenant, makeTenantData, outcomeOf, untilEnded } from "../../../test/support/region-program.ts";
import { fault } from "../../core/error.ts";
import type { Isolation } from "../../core/tenant/tenant.ts";
import type { WorkflowDefinition, WorkflowStep } from "../../ports/workflows.ts";
import { quoteIdentifier } from "../../postgres/identifier.ts";
import { copyEntries } from "../directory.ts";
import type { RegionContext } from "../region-context.ts";
import { sweepOperations } from "../relocation/sweep.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import { backupControl } from "./control.ts";
import { catalogueOf } from "./source.ts";
import { takeBackup } from "./take.ts";

const plans = { schema: "starter", database: "business" } as const;

describe("a restore", () => {
  let ground: DeathGround;
  let context: RegionContext;
  let startRestore: ReturnType<typeof backupControl>["startRestore"];
  /** Steps and undos that throw instead of doing their work. */
  let broken: Readonly<Partial<Record<string, () => never>>> = {};

  beforeAll(async () => {
    ground = await DeathGround.open();
    context = await ground.openRegion({
      slug: "restores",
      tables: "CREATE TABLE books (title text PRIMARY KEY)",
    });
    const { workflows } = context.platform;
    const register = workflows.register.bind(workflows);
    workflows.register = (definition) => register(breakable(definition));
    ({ startRestore } = backupControl(context));
    await workflows.launch();
  }, 60_000);
  afterAll(async () => {
    broken = {};
    for (const slug of ["schema", "database", "held"])
      for (const location of await context.locations.findEvery(slug)) await context.tenantData.drop(location);
    await ground.dispose();
  }, 60_000);

  function breakable<Input>(definition: WorkflowDefinition<Input>): WorkflowDefinition<Input> {
    const steps = definition.steps.map((step): WorkflowStep<Input> => {
      const { name, undo } = step;
      return {
        ...step,
        run: async (input, results) => {
          broken[name]?.();
          return step.run(input, results);
        },
        ...(undo && {
          undo: async (input: Input, results: Readonly<Record<string, unknown>>) => {
            broken[`undo ${name}`]?.();
            await undo(input, results);
          },
        }),
      };
    });
    return { ...definition, steps };
  }

  async function addTenant(slug: string, isolation: "schema" | "database"): Promise<StoredLocation> {
    const { directory, pool } = context;
    const plan = plans[isolation];
    await directory.reserve({ slug, region: "eu-west-1", plan, isolation, signupId: slug });
    const location = await makeTenantData(context, { slug, isolation });
    await copyEntries(pool, [await directory.apply(slug, "activate")]);
    await pool.query(
      "INSERT INTO profiles (slug, name, administrator_email) VALUES ($1, $1, 'a@b.example')",
      [slug],
    );
    await asTenant(context, slug, "INSERT INTO books VALUES ('Emma')");
    await takeBackup(context, { slug, reason: "manual" });
    await asTenant(context, slug, "INSERT INTO books VALUES ('Persuasion')");
    return location;
  }

  const titles = async (slug: string) =>
    (await asTenant<{ title: string }>(context, slug, "SELECT title FROM books ORDER BY title")).map(
      ({ title }) => title,
    );

  async function restore(slug: string) {
    const { id } = await startRestore({ slug });
    return untilEnded(context.platform.workflows, id);
  }

  const losses: Readonly<Record<"schema" | "database", (location: StoredLocation) => Promise<void>>> = {
    schema: async ({ server, database, ...names }) => {
      const pool = await context.administration.pool(server, database);
      const roles = [names.appRole, names.ownerRole].map(quoteIdentifier).join(", ");
      await pool.query(`DROP SCHEMA ${quoteIdentifier(names.schema)} CASCADE`);
      await pool.query(`DROP OWNED BY ${roles}; DROP ROLE ${roles}`);
    },
    database: async ({ server, database }) => {
      const pool = await context.administration.pool(server, "postgres");
      await pool.query(`DROP DATABASE ${quoteIdentifier(database)} WITH (FORCE)`);
    },
  };

  it.each<Extract<Isolation, "schema" | "database">>(["schema", "database"])(
    "brings a tenant back whose %s is gone",
    async (isolation) => {
      const slug = isolation;
      await losses[isolation](await addTenant(slug, isolation));
      await expect(takeBackup(context, { slug, reason: "manual" })).rejects.toMatchObject({
        code: "E_TENANT_STATE",
        remedy: expect.stringContaining("rowhouse tenant restore"),
      });
      expect(outcomeOf(await restore(slug))).toEqual({ state: "completed", error: null });
      expect(await titles(slug)).toEqual(["Emma"]);
      expect((await context.directory.find(slug))?.state).toBe("active");
      // Of nothing there is no backup, and none that waits to be made.
      const catalogue = catalogueOf(context);
      expect((await catalogue.list(slug)).map(({ reason }) => reason)).toEqual(["manual"]);
      expect(await catalogue.pending()).toEqual([]);
    },
  );

  it("that can't be taken back holds the tenant until it can, and loses nothing", async () => {
    await addTenant("held", "schema");
    const refuse = () => {
      throw fault("E_QUOTA", "There is no room.");
    };
    broken = { settle: refuse, "undo restore-files": refuse };
    const execution = await restore("held");
    expect(execution).toMatchObject({ state: "failed", notUndone: ["restore-files", "freeze", "claim"] });
    const state = async () => (await context.directory.find("held"))?.state;
    expect(await state()).toBe("moving");
    await expect(context.operations.claim("held", "move", "other")).rejects.toMatchObject({
      code: "E_TENANT_BUSY",
    });

    await sweepOperations(context);
    expect(await state()).toBe("active");
    expect(await titles("held")).toEqual(["Emma", "Persuasion"]);
    expect(await context.operations.find("held")).toBeUndefined();
    broken = {};
    expect(outcomeOf(await restore("held"))).toEqual({ state: "completed", error: null });
    expect(await titles("held")).toEqual(["Emma"]);
  });
});
