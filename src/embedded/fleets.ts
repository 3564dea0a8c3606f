import { createServer } from "node:net";
import { fault } from "../core/error.ts";
import type { FleetInstance, Fleets, LaunchInstance } from "../ports/fleets.ts";
import type { PortRange } from "./listeners.ts";
import { type ProcessRecord, type ProcessTable, programFile } from "./processes.ts";

interface FleetsParts {
  readonly region: string;
  readonly statePath: string;
  readonly processes: ProcessTable;
  readonly ports: PortRange;
  readonly host: string;
  /** The program that runs as an instance; Rowhouse's own unless a test says otherwise. */
  readonly program?: { readonly command: string; readonly args: readonly string[] };
}

/** Servers as child processes: each runs the instance program on a port of the region's range. */
export function createFleets(parts: FleetsParts): Fleets {
  const name = (instanceId: string) => `${parts.region}.instance.${instanceId}`;
  const program = parts.program ?? { command: process.execPath, args: [programFile("instance")] };
  let launching: Promise<unknown> = Promise.resolve();

  const records = async (): Promise<ProcessRecord[]> =>
    (await parts.processes.list("instance")).filter((record) => record.labels.region === parts.region);

  async function launch(instance: LaunchInstance): Promise<FleetInstance> {
    const running = await parts.processes.find(name(instance.instanceId));
    if (running) return toInstance(running);
    const port = await freePort(parts, await records());
    const record = await parts.processes.ensure({
      name: name(instance.instanceId),
      kind: "instance",
      command: program.command,
      args: [
        ...program.args,
        ...["--state", parts.statePath],
        ...["--region", parts.region],
        ...["--instance", instance.instanceId],
        ...["--listen", `${parts.host}:${port}`],
      ],
      labels: {
        region: parts.region,
        instance: instance.instanceId,
        fleet: instance.fleet,
        zone: instance.zone,
        address: `${parts.host}:${port}`,
      },
    });
    return toInstance(record);
  }

  return {
    launch(instance) {
      // One after the other: two launches at once would choose the same port.
      const launched = launching.then(() => launch(instance));
      launching = launched.catch(() => {});
      return launched;
    },
    async list(fleet) {
      const instances = (await records()).map(toInstance);
      return fleet === undefined ? instances : instances.filter((instance) => instance.fleet === fleet);
    },
    terminate: (instanceId, options) =>
      parts.processes.terminate(name(instanceId), {
        graceMilliseconds: (options?.graceSeconds ?? 10) * 1000,
      }),
  };
}

function toInstance(record: ProcessRecord): FleetInstance {
  const { instance = "", fleet, zone = "", address = "" } = record.labels;
  return {
    id: instance,
    fleet: fleet === "worker" ? "worker" : "app",
    zone,
    state: "running",
    address,
    pid: record.pid,
    market: "on-demand",
    launchedAt: new Date(record.startedAt),
  };
}

/** @throws E_QUOTA when every port of the range is taken */
async function freePort({ ports, host }: FleetsParts, taken: readonly ProcessRecord[]): Promise<number> {
  const used = new Set(taken.map((record) => Number(record.labels.address?.split(":").at(-1))));
  for (let port = ports.first; port <= ports.last; port++) {
    if (!used.has(port) && (await canListen(host, port))) return port;
  }
  throw fault("E_QUOTA", `All ports for instances, ${ports.first} to ${ports.last}, are taken.`);
}

/** Whether nobody listens there now. */
export function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
