import type { Command } from "commander";
import type { Config } from "../../core/config/schema.ts";
import { fault, RowhouseError } from "../../core/error.ts";
import { StateFolder } from "../../embedded/state-folder.ts";
import { loadConfig } from "../config-file.ts";
import { type Finding, fail, ok } from "../doctor/check.ts";
import { checkDisk, checkNode, checkPostgres } from "../doctor/machine.ts";
import { checkPorts } from "../doctor/ports.ts";
import { checkResidency } from "../doctor/residency.ts";
import { checkProcesses, checkStateFolder, type RunningState, readRunningState } from "../doctor/state.ts";
import { example, type Invocation } from "../invocation.ts";
import { table } from "../output.ts";
import { basePort } from "./up.ts";

interface DoctorOptions {
  readonly port?: number;
  readonly host: string;
  readonly residency?: true;
  readonly tenant?: string;
}

/** `rowhouse doctor`: looks for what would keep `up` from working. Exit code 1 when something would. */
export function addDoctor(parent: Command, invocation: Invocation): void {
  parent
    .command("doctor")
    .description("look for what keeps Rowhouse from working here")
    .option("--port <port>", "the base port to look at; default: the running one's, or 8080", basePort)
    .option("--host <address>", "the address to look at", "127.0.0.1")
    .option("--residency", "look instead whether a tenant's data is where it must not be")
    .option(
      "--tenant <slug>",
      "with --residency: write into this tenant's data, and make no throwaway tenants",
    )
    .addHelpText("after", example(invocation, "$0 doctor"))
    .action(async (options: DoctorOptions, command: Command) => {
      if (options.residency) return checkResidency(invocation, command, options.tenant);
      if (options.tenant !== undefined)
        throw fault("E_ARGUMENT", "The option --tenant belongs to --residency.");
      const findings = [checkNode(), ...(await checkPostgres())];
      const { finding, config } = await checkConfig(invocation, command);
      findings.push(finding);
      const stateDirectory = await invocation.stateFolder(command).catch(() => undefined);
      if (stateDirectory !== undefined) findings.push(...(await checkPlace(stateDirectory, config, options)));
      invocation.output.result(findings, () => describe(findings));
      if (findings.some(({ status }) => status === "fail")) invocation.exitCode = 1;
    });
}

async function checkConfig(
  invocation: Invocation,
  command: Command,
): Promise<{ readonly finding: Finding; readonly config?: Config }> {
  try {
    const { configFile } = await invocation.config(command);
    return { finding: ok("config", configFile), config: await loadConfig(configFile) };
  } catch (error) {
    if (!(error instanceof RowhouseError)) throw error;
    return { finding: fail("config", error.reason, error.remedy) };
  }
}

async function checkPlace(
  stateDirectory: string,
  config: Config | undefined,
  options: { readonly port?: number; readonly host: string },
): Promise<Finding[]> {
  const folder = new StateFolder(stateDirectory);
  const findings = [
    await checkDisk(stateDirectory),
    await checkStateFolder(folder),
    await checkProcesses(folder),
  ];
  if (!config) return findings;
  // A folder that can't be read was told above; its processes can't be known, so every taken port counts.
  const state: RunningState = await readRunningState(folder).catch(() => ({
    lock: undefined,
    supervisorLives: false,
    processes: [],
  }));
  const pids = state.processes.map(({ pid }) => pid);
  if (state.supervisorLives && state.lock) pids.push(state.lock.pid);
  const port = options.port ?? state.lock?.basePort ?? 8080;
  return [
    ...findings,
    await checkPorts({ basePort: port, host: options.host, config, ownPids: new Set(pids) }),
  ];
}

function describe(findings: readonly Finding[]): string {
  const rows = findings.map(({ check, status, detail }) => [status, check, detail]);
  const remedies = findings.flatMap(({ check, remedy }) => (remedy ? [`${check}: ${remedy}`] : []));
  return [table(["", "CHECK", "FOUND"], rows), ...remedies].join("\n");
}
