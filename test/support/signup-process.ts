import {
  type SignupWorkflowInput,
  signupWorkflow,
  signupWorkflowName,
} from "../../src/control/signup/workflow.ts";
import {
  asTenant,
  openRegionProgram,
  Points,
  type RegionProgramOptions,
  runToEnd,
} from "./region-program.ts";

/**
 * A process that signs one tenant up to the end, prints the outcome, and dies by SIGKILL at every point before and
 * after a step's work, and around its undo, that no process before it has passed.
 */
export interface SignupProcessOptions extends RegionProgramOptions {
  readonly plan: string;
  /** The last step fails. */
  readonly fails: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as SignupProcessOptions;
const { slug, plan } = options;
const region = "us-east-1";
const context = await openRegionProgram(options, {
  name: region,
  tables: "CREATE TABLE books (title text PRIMARY KEY)",
  seed: async (tenant) => {
    await asTenant(context, tenant, "INSERT INTO books VALUES ('Emma') ON CONFLICT DO NOTHING");
  },
});
const { workflows } = context.platform;
const definition = signupWorkflow(context);
const failsAt = options.fails ? definition.steps.at(-1)?.name : undefined;
workflows.register<SignupWorkflowInput>(new Points(context.pool, slug).deadly(definition, { failsAt }));
await workflows.launch();
const id = `${region}.${slug}`;
const input = { id, slug, plan, name: "N", region, email: "a@b.example" };
const { outcome } = await runToEnd<SignupWorkflowInput>(workflows, signupWorkflowName, input);
console.log(JSON.stringify(outcome));
process.exit();
