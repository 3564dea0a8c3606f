import { fault } from "../../core/error.ts";
import { canListen } from "../../embedded/fleets.ts";
import { planListeners } from "../../embedded/listeners.ts";
import type { ProcessTable } from "../../embedded/processes.ts";
import type { Settings } from "../../embedded/settings.ts";

interface NeededPort {
  readonly port: number;
  readonly host: string;
  readonly use: string;
  /** The process that may have it already. */
  readonly holder?: string;
}

/**
 * Makes sure that the fixed ports are free, or held by what a crash of the supervisor left running.
 * @throws E_PORT_IN_USE naming the port and what it is for
 */
export async function checkPorts(settings: Settings, processes: ProcessTable): Promise<void> {
  for (const needed of neededPorts(settings)) {
    if (needed.holder !== undefined && (await processes.find(needed.holder))) continue;
    if (await canListen(needed.host, needed.port)) continue;
    throw fault("E_PORT_IN_USE", `Port ${needed.port}, for ${needed.use}, is taken by another program.`, {
      remedy: `Stop that program, or choose another base port, as in --port ${settings.basePort + 1000}.`,
    });
  }
}

function neededPorts({ basePort, host, config }: Settings): NeededPort[] {
  const plan = planListeners(basePort);
  const regions = Object.entries(config.regions).flatMap(([name, region], index) => {
    if (!region.start) return [];
    const { balancer, controller } = plan.region(index);
    return [
      { port: balancer, host, use: `the balancer of ${name}`, holder: `${name}.balancer` },
      { port: controller, host: "127.0.0.1", use: `the controller of ${name}`, holder: `${name}.controller` },
    ];
  });
  return [
    { port: plan.edge, host, use: "the edge" },
    { port: plan.api, host, use: "the control API" },
    { port: plan.dns, host, use: "DNS" },
    ...regions,
  ];
}
