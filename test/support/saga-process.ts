import { fault } from "../../src/core/error.ts";
import { createSystemClock } from "../../src/node/clock.ts";
import type { ConnectOptions } from "../../src/postgres/connect.ts";
import { WriterPool } from "../../src/postgres/pool.ts";
import type { WorkflowPlace } from "./aws/workflow-place.ts";

/**
 * A process that runs one saga to its end, prints it, and dies by SIGKILL at every point that no process before it
 * has passed. Its argument is a `SagaProcessOptions` as JSON. What the steps do is kept in the table `effects`.
 */
export interface SagaProcessOptions {
  /** Of the tables, and of the embedded engine. */
  readonly connection: Pick<ConnectOptions, "endpoint" | "database" | "credentials">;
  /** The saga runs on SWF, and not on the embedded engine. */
  readonly aws?: WorkflowPlace | undefined;
  readonly name: string;
  readonly id: string;
  /** The step `three` fails, after it has done its work. */
  readonly fails: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as SagaProcessOptions;
const pool = new WriterPool({ ...options.connection, applicationName: "saga" });
const workflows = await openWorkflows();

/** Loads the family that is asked for, and not both. */
async function openWorkflows() {
  const { aws, connection, name } = options;
  if (aws) return (await import("./aws/workflow-place.ts")).openWorkflows(aws, { name });
  const { createWorkflows } = await import("../../src/embedded/workflows.ts");
  return createWorkflows({ connection, name, clock: createSystemClock() });
}

async function dieOnce(point: string): Promise<void> {
  const { rowCount } = await pool.query(
    "INSERT INTO points (saga, point) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    [options.id, point],
  );
  if (rowCount === 1) process.kill(process.pid, "SIGKILL");
}

async function run(step: string): Promise<unknown> {
  await dieOnce(`before ${step}`);
  const { rows } = await pool.query(
    `INSERT INTO effects (saga, step) VALUES ($1, $2)
     ON CONFLICT (saga, step) DO UPDATE SET attempts = effects.attempts + 1 RETURNING step, token`,
    [options.id, step],
  );
  await dieOnce(`after ${step}`);
  if (options.fails && step === "three") throw fault("E_QUOTA", "There is no room.");
  return rows[0];
}

async function undo(step: string): Promise<void> {
  await dieOnce(`before undo ${step}`);
  await pool.query("DELETE FROM effects WHERE saga = $1 AND step = $2", [options.id, step]);
  await dieOnce(`after undo ${step}`);
}

const step = (name: string, undoable: boolean) => ({
  name,
  title: name,
  run: () => run(name),
  ...(undoable && { undo: () => undo(name) }),
});

workflows.register({ name: "saga", steps: [step("one", true), step("two", false), step("three", true)] });
await workflows.launch();
await workflows.start("saga", options.id, {});
for (let seen = 0; ; ) {
  const execution = await workflows.waitForChange(options.id, seen, 20);
  seen = execution?.history.length ?? 0;
  if (execution?.state === "completed" || execution?.state === "failed") {
    console.log(JSON.stringify(execution));
    break;
  }
}
await workflows.stop();
await pool.end();
