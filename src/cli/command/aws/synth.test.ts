import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCli } from "../../../../test/support/cli.ts";

describe("aws synth", () => {
  let folder: string;
  const config = (target: string) => `export default {
    app: "./app.ts", domain: "shop.example", target: "${target}",
    regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
    plans: { starter: { isolation: "schema" } },
  };\n`;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "rowhouse-test-synth-"));
    await writeFile(join(folder, "aws.config.ts"), config("aws"));
    await writeFile(join(folder, "embedded.config.ts"), config("embedded"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("writes every template, and says what is in them", async () => {
    const words = ["aws", "synth", "--config", "aws.config.ts", "--out", "out", "--json"];
    const cli = startCli(words, { workingDirectory: folder });
    expect(await cli.exitCode).toBe(0);
    const stacks = JSON.parse(cli.stdout()) as { stackName: string; resources: number; file: string }[];
    expect(stacks.map(({ stackName }) => stackName)).toEqual(
      expect.arrayContaining(["shop-zone", "shop-global", "shop-eu-west-1", "shop-edge"]),
    );
    expect(await readdir(join(folder, "out"))).toHaveLength(stacks.length);
    for (const { file, resources } of stacks) {
      const { Resources } = JSON.parse(await readFile(file, "utf8")) as { Resources: object };
      expect(Object.keys(Resources)).toHaveLength(resources);
    }
  });

  it.each(["synth", "deploy"])("refuses %s of a config that is not for AWS", async (verb) => {
    const words = ["aws", verb, "--config", "embedded.config.ts", "--json"];
    const cli = startCli(words, { workingDirectory: folder });
    expect(await cli.exitCode).toBe(2);
    expect(JSON.parse(cli.stdout())).toMatchObject({ error: { code: "E_CONFIG" } });
  });
});
