import { beforeAll, beforeEach, type RunnerTestCase, type RunnerTestSuite } from "vitest";

declare module "vitest" {
  interface TaskMeta {
    /** For reports, which don't carry what a test says when it is skipped. */
    skipReason?: string;
  }
}

/** Cases of a contract that a service can't hold, by their exact name, and why. */
export type ContractSkips = Readonly<Record<string, string>>;

/**
 * Call it first thing in a contract's `describe`: cases that `skips` names, at any depth, are shown as skipped with
 * the reason, and all of the contract fails when a name is none of its cases'.
 */
export function skipCases(skips: ContractSkips = {}): void {
  // biome-ignore lint/correctness/noEmptyPattern: the runner takes no other form, and the suite comes second
  beforeAll(({}, suite) => {
    const names = new Set(casesOf(suite).map((testCase) => testCase.name));
    const unknown = Object.keys(skips).filter((name) => !names.has(name));
    if (unknown.length > 0) throw new Error(`No case to skip has this name: ${unknown.join(" · ")}`);
  });
  beforeEach((context) => {
    const reason = skips[context.task.name];
    if (reason === undefined) return;
    context.task.meta.skipReason = reason;
    context.skip(reason);
  });
}

function casesOf(suite: Readonly<RunnerTestSuite>): RunnerTestCase[] {
  return suite.tasks.flatMap((task) => (task.type === "suite" ? casesOf(task) : [task]));
}
