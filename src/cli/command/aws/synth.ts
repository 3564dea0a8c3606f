import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { importAws } from "../../aws.ts";
import { loadConfig } from "../../config-file.ts";
import { example, type Invocation } from "../../invocation.ts";
import { table } from "../../output.ts";
import { requireAwsTarget } from "./target.ts";

interface SynthOptions {
  readonly out: string;
  readonly account: string;
}

/** `rowhouse aws synth`: the CloudFormation templates as files, to be read. Needs no account. */
export function addAwsSynth(parent: Command, invocation: Invocation): void {
  parent
    .command("synth")
    .description("write the CloudFormation templates, without asking anything of an account")
    .option("--out <folder>", "where to", "rowhouse.out")
    .option("--account <id>", "the account's number, for names and ARNs", "123456789012")
    .addHelpText("after", example(invocation, "$0 aws synth --out templates"))
    .action(async ({ out, account }: SynthOptions, command: Command) => {
      const { configFile } = await invocation.config(command);
      const config = requireAwsTarget(await loadConfig(configFile));
      const { synthesizeAll } = await importAws(() => import("../../../programs/aws/deploy/open.ts"));
      const folder = resolve(invocation.context.workingDirectory, out);
      await mkdir(folder, { recursive: true });
      const stacks: { stackName: string; region: string; resources: number; bytes: number; file: string }[] =
        [];
      for (const { stackName, region, template } of synthesizeAll(config, account)) {
        const file = join(folder, `${stackName}.${region}.json`);
        const text = `${JSON.stringify(template, undefined, 2)}\n`;
        await writeFile(file, text);
        const resources = Object.keys(template.Resources).length;
        stacks.push({ stackName, region, resources, bytes: Buffer.byteLength(text), file });
      }
      invocation.output.result(stacks, () =>
        table(
          ["STACK", "REGION", "RESOURCES", "BYTES", "FILE"],
          stacks.map(({ stackName, region, resources, bytes, file }) => [
            stackName,
            region,
            resources,
            bytes,
            file,
          ]),
        ),
      );
    });
}
