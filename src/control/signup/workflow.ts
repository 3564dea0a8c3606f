import { fault } from "../../core/error.ts";
import { place } from "../../core/placement/place.ts";
import { type SignupStepName, signupSteps } from "../../core/signup/steps.ts";
import type { RetryPolicy } from "../../core/workflow/retry.ts";
import type { WorkflowDefinition, WorkflowStep } from "../../ports/workflows.ts";
import { copyEntries } from "../directory.ts";
import { planOf, type RegionContext } from "../region-context.ts";
import type { SignupInput } from "../region-control.ts";
import { placementServers } from "../tenant-data/servers.ts";
import { registerAddress, unregisterAddress } from "./address.ts";
import { integrationStep } from "./integration-step.ts";
import { operatorMails, welcomeMail } from "./mails.ts";

export const signupWorkflowName = "signup";

/** The input as the workflow keeps it. */
export interface SignupWorkflowInput extends SignupInput {
  readonly id: string;
}

type Step = Omit<WorkflowStep<SignupWorkflowInput>, "name" | "title">;

/** A tenant's sign-up. Each step may run again after a crash and finds its own work; each undo too. */
export function signupWorkflow(context: RegionContext): WorkflowDefinition<SignupWorkflowInput> {
  const steps: Readonly<Record<SignupStepName, Step>> = {
    ...dataSteps(context),
    ...accountSteps(context),
    "notify-crm": integrationStep(context, "crm"),
    "notify-billing": integrationStep(context, "billing"),
    "notify-support": integrationStep(context, "support"),
  };
  return {
    name: signupWorkflowName,
    steps: signupSteps.map((step) => ({ ...step, ...unlessOpened(context, steps[step.name]) })),
  };
}

/** Undoes nothing of a tenant that has been activated: from then on it is its people's. */
export function unlessOpened<
  Input extends Pick<SignupWorkflowInput, "slug" | "id">,
  Part extends Pick<WorkflowStep<Input>, "run" | "undo">,
>({ directory }: RegionContext, step: Part): Part {
  const { undo } = step;
  if (!undo) return step;
  return {
    ...step,
    undo: async (input: Input, results: Readonly<Record<string, unknown>>) => {
      if (!(await directory.wasOpened(input.slug, input.id))) await undo(input, results);
    },
  };
}

/** From here on nothing is taken back: whether the directory counts it as active, a failure does not tell. */
const forever: RetryPolicy = { maxAttempts: 1_000_000, initialIntervalSeconds: 0.5, backoffRate: 1 };

type DataStepName =
  | "reserve-slug"
  | "check-quota"
  | "place"
  | "create-database"
  | "migrate"
  | "register-address"
  | "activate";

function dataSteps(context: RegionContext): Record<DataStepName, Step> {
  const { directory, locations, tenantData, config } = context;
  return {
    "reserve-slug": {
      holds: true,
      run: async ({ slug, region, plan, id }) => {
        const { isolation } = planOf(config, plan);
        await directory.reserve({ slug, region, plan, isolation, signupId: id });
      },
      undo: async ({ slug, id }) => {
        // Another sign-up may have won the slug: the region's copy is then of that one. And once the slug is free, it
        // is anybody's.
        if (await directory.isReserved(slug, id))
          await context.pool.query("DELETE FROM tenants WHERE slug = $1 AND state = 'provisioning'", [slug]);
        await directory.release(slug, id);
      },
    },
    "check-quota": {
      run: async ({ plan }) => {
        const { maxTenants } = planOf(config, plan);
        // The tenant that signs up is in the directory already, and counts.
        if (maxTenants !== undefined && (await directory.countByPlan(plan)) > maxTenants) {
          throw fault("E_QUOTA", `The plan "${plan}" has all of its ${maxTenants} tenants.`);
        }
      },
    },
    place: {
      run: async ({ slug, plan }) => {
        const { isolation } = planOf(config, plan);
        const placement = place(isolation, await placementServers(context));
        const location = await locations.allocate({
          slug,
          isolation,
          server: placement.kind === "shared" ? placement.server : null,
          migrations: context.release().migrationsFingerprint,
        });
        return { server: location.server };
      },
      undo: async ({ slug }) => {
        const location = await locations.find(slug);
        if (location) await tenantData.drop(location);
      },
    },
    "create-database": {
      run: async ({ slug, plan }) =>
        tenantData.create(await locationOf(context, slug), planOf(config, plan).connections ?? "own"),
    },
    migrate: {
      run: async ({ slug }) => {
        const location = await locationOf(context, slug);
        const schemaVersion = await tenantData.migrate(location, context.release().migrations);
        const entry = await directory.place(slug, { server: location.server, schemaVersion });
        await copyEntries(context.pool, [entry]);
        return { schemaVersion };
      },
    },
    "register-address": {
      run: ({ slug }) => registerAddress(context, slug),
      undo: ({ slug }) => unregisterAddress(context, slug),
    },
    activate: {
      run: async ({ slug }) => copyEntries(context.pool, [await directory.apply(slug, "activate")]),
      retry: forever,
    },
  };
}

type AccountStepName = "create-administrator" | "seed" | "welcome-mail" | "notify-operators";

function accountSteps(context: RegionContext): Record<AccountStepName, Step> {
  const { pool, platform } = context;
  return {
    "create-administrator": {
      run: async ({ slug, name, email }) => {
        await pool.query(
          `WITH profile AS (INSERT INTO profiles (slug, name, administrator_email) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING)
           INSERT INTO administrators (slug, email) VALUES ($1, $3) ON CONFLICT DO NOTHING`,
          [slug, name, email],
        );
      },
      undo: async ({ slug }) => {
        await pool.query(
          "WITH profile AS (DELETE FROM profiles WHERE slug = $1) DELETE FROM administrators WHERE slug = $1",
          [slug],
        );
      },
    },
    seed: { run: ({ slug }) => context.seed(slug) },
    "welcome-mail": { run: async (input) => (await platform.mail.send(welcomeMail(context, input))).status },
    "notify-operators": {
      run: async (input) => {
        const mails = operatorMails(context, input);
        for (const mail of mails) await platform.mail.send(mail);
        return mails.length > 0 ? "sent" : "not-configured";
      },
    },
  };
}

async function locationOf(context: RegionContext, slug: string) {
  const location = await context.locations.find(slug);
  if (!location) throw fault("E_INTERNAL", `The tenant "${slug}" has no data location.`);
  return location;
}
