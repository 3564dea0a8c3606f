import { expect, test } from "vitest";
import { launchPauseSeconds } from "./launch-pause.ts";

test("the first launch is at once, and each failure doubles the pause up to a bound", () => {
  expect([0, 1, 2, 3, 7, 100].map(launchPauseSeconds)).toEqual([0, 0.5, 1, 2, 30, 30]);
});
