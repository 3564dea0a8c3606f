import { describe, test } from "vitest";
import type { WorkflowExecution } from "../../src/ports/workflows.ts";
import type { WorkflowPlace } from "./aws/workflow-place.ts";
import { connectionTo, createTestDatabase } from "./database.ts";
import { runProgram } from "./death-ground.ts";
import type { SagaProcessOptions } from "./saga-process.ts";

/** Runs the program of `saga-process.ts` once: what it printed, or the signal that ended it. */
async function runSagaProcess(options: SagaProcessOptions) {
  const { signal, output } = await runProgram("saga-process.ts", options);
  return { signal, execution: signal ? undefined : (JSON.parse(output) as WorkflowExecution) };
}

const cases = [
  {
    fails: false,
    deaths: 6,
    state: "completed",
    history: ["stepCompleted one", "stepCompleted two", "stepCompleted three"],
    effects: ["one", "two", "three"],
  },
  {
    fails: true,
    deaths: 10,
    state: "failed",
    history: [
      "stepCompleted one",
      "stepCompleted two",
      "stepFailed three",
      "stepUndone three",
      "stepUndone one",
    ],
    effects: ["two"],
  },
];

/**
 * What every workflow engine must do when its process is killed at every point of a saga: `make` says where the sagas
 * run, on the embedded engine when it gives no `aws`.
 */
export function survivesDeaths(
  name: string,
  make: () => Promise<{ readonly aws?: WorkflowPlace; dispose(): Promise<void> }>,
): void {
  describe.concurrent(`${name}: a process killed before and after the work of every step and undo`, () => {
    test.for(cases)(
      "has the outcome of an undisturbed one: $state",
      { timeout: 120_000 },
      async (expected, { expect }) => {
        const database = await createTestDatabase();
        const place = await make();
        try {
          await database.pool.query("CREATE TABLE points (saga text, point text, PRIMARY KEY (saga, point))");
          await database.pool.query(
            `CREATE TABLE effects (saga text, step text, attempts integer DEFAULT 1, token uuid DEFAULT gen_random_uuid(),
             at timestamptz DEFAULT clock_timestamp(), PRIMARY KEY (saga, step))`,
          );
          const options = {
            connection: connectionTo(database),
            aws: place.aws,
            name: "eu-test-1",
            id: "saga-1",
            fails: expected.fails,
          };
          let deaths = 0;
          let last = await runSagaProcess(options);
          for (; last.signal === "SIGKILL"; last = await runSagaProcess(options)) deaths++;
          expect(deaths).toBe(expected.deaths);
          expect(last.execution?.state).toBe(expected.state);
          expect(last.execution?.history.map((event) => `${event.type} ${event.step}`)).toEqual(
            expected.history,
          );
          const { rows } = await database.pool.query("SELECT step, attempts, token FROM effects ORDER BY at");
          // Once before the death that lost the record, and once after it.
          expect(rows).toEqual(
            expected.effects.map((step) => ({ step, attempts: 2, token: expect.any(String) })),
          );
          for (const { step, token } of rows) {
            expect(last.execution?.history).toContainEqual({
              type: "stepCompleted",
              step,
              result: { step, token },
            });
          }
        } finally {
          await place.dispose();
          await database.drop();
        }
      },
    );
  });
}
