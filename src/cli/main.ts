import { readFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { awsAccess, importAws } from "./aws.ts";
import type { CliContext } from "./context.ts";
import { run } from "./run.ts";

const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const isWrapped = process.env.ROWHOUSE_WRAPPED === "1";
// It is about this process alone, not about those that it starts.
delete process.env.ROWHOUSE_WRAPPED;
followWrapper();
process.exitCode = await run(process.argv.slice(2), await createContext());

async function createContext(): Promise<CliContext> {
  const { version } = JSON.parse(await readFile(join(packageRoot, "package.json"), "utf8")) as {
    version: string;
  };
  const workingDirectory = process.cwd();
  return {
    version,
    packageRoot,
    commandName: commandName(workingDirectory),
    workingDirectory,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    signals: process,
    ...(isWrapped ? {} : parentChannel()),
    programs: {
      startSupervisor: async (options) =>
        (await import("../programs/supervisor.ts")).startSupervisor(options),
      stopEverything: async (options) => (await import("../programs/down.ts")).stopEverything(options),
      findControlPlane: async (config) => {
        const { findControlPlane } = await importAws(() => import("../aws/control-plane-access.ts"));
        const found = await findControlPlane(config, awsAccess(config.aws.controlRegion));
        // Through a tunnel it has another address.
        return { ...found, apiUrl: process.env.ROWHOUSE_API_URL ?? found.apiUrl };
      },
    },
  };
}

/** In a clone there is no `rowhouse` on the path. */
function commandName(workingDirectory: string): string {
  if (packageRoot.includes(`${sep}node_modules${sep}`)) return "rowhouse";
  const path = relative(workingDirectory, join(packageRoot, "bin", "rowhouse"));
  return path.startsWith("..") ? join(packageRoot, "bin", "rowhouse") : path;
}

/** When bin/rowhouse is killed outright, this process ends as it would have if it were the same one. */
function followWrapper(): void {
  if (!isWrapped || !process.connected) return;
  process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
  process.channel?.unref();
}

function parentChannel(): Pick<CliContext, "parent"> {
  if (!process.connected) return {};
  process.channel?.unref();
  return {
    parent: {
      send: (message) => {
        // The one who waited may have gone; that is no reason to fail.
        if (process.connected) process.send?.(message, undefined, undefined, () => {});
      },
      disconnect: () => {
        if (process.connected) process.disconnect?.();
      },
    },
  };
}
