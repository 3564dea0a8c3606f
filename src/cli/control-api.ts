import type { Command } from "commander";
import type { Config } from "../core/config/schema.ts";
import { RowhouseError } from "../core/error.ts";
import { StateFolder } from "../embedded/state-folder.ts";
import { findSupervisor } from "../embedded/supervisor-lock.ts";
import { ApiClient } from "./client.ts";
import { loadConfig } from "./config-file.ts";
import type { Invocation } from "./invocation.ts";

/**
 * The control API that a command speaks to: of what runs on the state folder, or else of what the config's AWS account
 * runs. @throws E_NOT_RUNNING, E_STATE_CORRUPT, E_AWS_CREDENTIALS, E_NOT_FOUND before the first deployment
 */
export async function openControlApi(invocation: Invocation, command: Command): Promise<ApiClient> {
  try {
    return await ApiClient.open(await invocation.stateFolder(command));
  } catch (error) {
    if (!(error instanceof RowhouseError && error.code === "E_NOT_RUNNING")) throw error;
    const config = await deployedConfig(invocation, command);
    if (!config) throw error;
    const { apiUrl, token } = await invocation.context.programs.findControlPlane(config);
    return new ApiClient({ origin: apiUrl, token });
  }
}

/** The config, where a command is about its AWS account: nothing runs on the state folder. */
export async function deployedTarget(invocation: Invocation, command: Command): Promise<Config | undefined> {
  if (await findSupervisor(new StateFolder(await invocation.stateFolder(command)))) return undefined;
  return deployedConfig(invocation, command);
}

/** The config, when it is one that is deployed to AWS. A broken one is told by the commands that are about it. */
async function deployedConfig(invocation: Invocation, command: Command): Promise<Config | undefined> {
  try {
    const { configFile } = await invocation.config(command);
    const config = await loadConfig(configFile);
    return config.target === "aws" ? config : undefined;
  } catch (error) {
    if (error instanceof RowhouseError) return undefined;
    throw error;
  }
}
