import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// Hundreds of processes of the same sources are started: see bin/rowhouse.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL(".cache/compile", import.meta.url));

const shared = {
  testTimeout: 60_000,
  hookTimeout: 120_000,
  pool: "forks",
  maxWorkers: 2,
  // What comes about by itself may take its time on a busy machine: a poll ends as soon as it has.
  expect: { poll: { timeout: 15_000 } },
} as const;

/** Why the tests against the AWS emulator can't run here; where CI is set they must. */
function whyWithoutAws(): string | undefined {
  try {
    execFileSync("python3", ["-c", "import sys, venv; assert sys.version_info >= (3, 10)"], {
      stdio: "ignore",
    });
    return undefined;
  } catch {
    return "Python 3.10 or later, with venv, is not there";
  }
}

const missing = whyWithoutAws();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(`The tests on the AWS emulator must run in CI, and ${missing}.`);
  process.stderr.write(`Skipped: the tests on the AWS emulator (src/aws, test/aws), because ${missing}.\n`);
}
if (process.env.ROWHOUSE_AWS_REAL === "1") {
  process.stderr.write(
    "These tests work on the AWS account of your credentials, and cost money: cents for most files, a few dollars and an " +
      "hour or more for databases, fleets and balancer. What they make has the tag rowhouse:prefix and a name from rht- on, " +
      "and is removed at their end; look for it when a run was killed. See docs/aws.md.\n",
  );
}
const aws = ["src/aws/**/*.test.ts", "test/aws/**/*.test.ts"];

export default defineConfig({
  test: {
    ...shared,
    projects: [
      {
        test: {
          ...shared,
          name: "local",
          include: ["src/**/*.test.ts", "test/**/*.test.ts", "examples/**/*.test.ts", "console/**/*.test.ts"],
          exclude: aws,
          globalSetup: ["./test/support/postgres-server.ts"],
        },
      },
      ...(missing === undefined
        ? [
            {
              test: {
                ...shared,
                name: "aws",
                include: aws,
                globalSetup: ["./test/support/postgres-server.ts", "./test/support/aws/emulator.ts"],
              },
            },
          ]
        : []),
    ],
  },
});
