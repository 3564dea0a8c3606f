import { fault } from "../core/error.ts";
import { canListen } from "./fleets.ts";
import { planListeners } from "./listeners.ts";
import type { ProcessTable } from "./processes.ts";
import { regionSettings, type Settings } from "./settings.ts";

interface NeededPort {
  readonly port: number;
  readonly host: string;
  readonly use: string;
  /** The process that may have it already. */
  readonly holder?: string;
}

/**
 * Makes sure that the fixed ports of the entrances and of these regions are free, or held by what a crash of the supervisor left running.
 * @throws E_PORT_IN_USE naming the port and what it is for
 */
export async function checkPorts(
  settings: Settings,
  processes: ProcessTable,
  regions: readonly string[],
): Promise<void> {
  await checkNeeded(settings, processes, entrancePorts(settings));
  for (const region of regions) await checkRegionPorts(settings, processes, region);
}

/** The same for one region. @throws E_PORT_IN_USE */
export async function checkRegionPorts(
  settings: Settings,
  processes: ProcessTable,
  region: string,
): Promise<void> {
  const { host } = settings;
  const { balancer, controller } = regionSettings(settings, region).listeners;
  await checkNeeded(settings, processes, [
    { port: balancer, host, use: `the balancer of ${region}`, holder: `${region}.balancer` },
    {
      port: controller,
      host: "127.0.0.1",
      use: `the controller of ${region}`,
      holder: `${region}.controller`,
    },
  ]);
}

async function checkNeeded(
  settings: Settings,
  processes: ProcessTable,
  ports: readonly NeededPort[],
): Promise<void> {
  for (const needed of ports) {
    if (needed.holder !== undefined && (await processes.find(needed.holder))) continue;
    if (await canListen(needed.host, needed.port)) continue;
    throw fault("E_PORT_IN_USE", `Port ${needed.port}, for ${needed.use}, is taken by another program.`, {
      remedy: `Stop that program, or choose another base port, as in --port ${settings.basePort + 1000}.`,
    });
  }
}

function entrancePorts({ basePort, host }: Settings): NeededPort[] {
  const plan = planListeners(basePort);
  return [
    { port: plan.edge, host, use: "the edge" },
    { port: plan.api, host, use: "the control API" },
    { port: plan.dns, host, use: "DNS" },
  ];
}
