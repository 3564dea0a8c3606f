import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acceptedFindings } from "../../../test/support/aws/accepted-findings.ts";
import {
  allTemplates,
  exampleConfig,
  exampleOptions,
  exampleTemplates,
} from "../../../test/support/aws/example-templates.ts";
import { pythonProgram } from "../../../test/support/aws/python.ts";
import { createApp } from "./app.ts";
import { layoutOf } from "./synthesize.ts";

const run = promisify(execFile);
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rowhouse-rules-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What one rule says of one resource, as in `bookshop-eu-west-1/Cache`. */
interface Finding {
  readonly rule: string;
  readonly resource: string;
}

function findings(regionCount: 1 | 2): Finding[] {
  const { app } = createApp(layoutOf(exampleOptions(exampleConfig(regionCount))), join(folder, "nag"));
  return new AwsSolutionsChecks(app)
    .validateScope(app)
    .violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath }) => ({
        rule: ruleName,
        resource: String(constructPath).replace(/\.[^/]+/, ""),
      })),
    );
}

describe("cdk-nag's AwsSolutions", () => {
  test("finds nothing but what is accepted with a reason, and all of that", () => {
    const found = findings(2);
    const isAccepted = ({ rule, resource }: Finding) =>
      acceptedFindings.some((accepted) => accepted.rule.test(rule) && accepted.resource.test(resource));
    expect(found.filter((finding) => !isAccepted(finding))).toEqual([]);
    const unneeded = acceptedFindings.filter(
      (accepted) =>
        !found.some(({ rule, resource }) => accepted.rule.test(rule) && accepted.resource.test(resource)),
    );
    expect(unneeded).toEqual([]);
  });

  test("finds no more of a single region", () => {
    const known = new Set(findings(2).map(({ rule, resource }) => `${rule} ${resource}`));
    for (const { rule, resource } of findings(1)) expect(known).toContain(`${rule} ${resource}`);
  });
});

test("CDK's own validation finds no error", () => {
  const { app } = createApp(layoutOf(exampleOptions(exampleConfig(2))), join(folder, "validation"), {
    builtinCloudFormationValidation: true,
    context: { "@aws-cdk/core:validateAgainstDefaultRules": true },
  });
  Validations.of(app).acknowledge(
    {
      id: "CloudFormation-Validate::W3010",
      reason: "Which zones a region has is in the config: fleets and databases are spread by them.",
    },
    {
      id: "CloudFormation-Validate::W1001",
      reason: "The reference is in a branch of the same condition.",
    },
  );
  expect(() => app.synth()).not.toThrow();
});

test("cfn-lint finds no error and no warning", async () => {
  const templates = allTemplates(exampleTemplates(2));
  const files = await Promise.all(
    templates.map(async ({ stackName, region, template }) => {
      const file = join(folder, `${region}.${stackName}.json`);
      await writeFile(file, JSON.stringify(template, undefined, 1));
      return { file, region };
    }),
  );
  for (const region of new Set(files.map((each) => each.region))) {
    const own = files.filter((each) => each.region === region).map(({ file }) => file);
    // W3010: zones are named, because the config names them. It exits with an error when it has anything to say.
    const lint = run(await pythonProgram("cfn-lint"), [
      "--regions",
      region,
      "--ignore-checks",
      "W3010",
      "--template",
      ...own,
    ]);
    await expect(lint).resolves.toMatchObject({ stdout: "" });
  }
}, 240_000);
