import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import type { Config } from "../../core/config/schema.ts";
import { planListeners } from "../../embedded/listeners.ts";
import { type Finding, fail, ok } from "./check.ts";
import { type Port, portOwner } from "./port-owner.ts";

interface NamedPort extends Port {
  readonly name: string;
}

/** Whether the ports that have no choice are free, or held by the processes `ownPids`. */
export async function checkPorts(options: {
  readonly basePort: number;
  readonly host: string;
  readonly config: Config;
  readonly ownPids: ReadonlySet<number>;
}): Promise<Finding> {
  const { basePort, host, config, ownPids } = options;
  const taken: string[] = [];
  let own = 0;
  for (const port of fixedPorts(basePort, config)) {
    if (await isFree(port, host)) continue;
    const owner = await portOwner(port);
    if (owner !== undefined && ownPids.has(owner)) own++;
    else
      taken.push(
        `${port.number}/${port.protocol} (${port.name}) by ${owner ? `process ${owner}` : "another program"}`,
      );
  }
  if (taken.length > 0) {
    const remedy = "Stop what holds them, or choose another base port with --port.";
    return fail("ports", `taken: ${taken.join(", ")}`, remedy);
  }
  return ok(
    "ports",
    own > 0
      ? `from ${basePort}: ${own} are held by this Rowhouse, the others free`
      : `from ${basePort}: all free`,
  );
}

function fixedPorts(basePort: number, config: Config): NamedPort[] {
  const plan = planListeners(basePort);
  const started = Object.entries(config.regions).flatMap(([region, { start }], index) =>
    start ? [{ region, index }] : [],
  );
  return [
    { name: "edge", protocol: "tcp", number: plan.edge },
    { name: "API", protocol: "tcp", number: plan.api },
    { name: "DNS", protocol: "tcp", number: plan.dns },
    { name: "DNS", protocol: "udp", number: plan.dns },
    ...started.flatMap(({ region, index }): NamedPort[] => [
      { name: `balancer of ${region}`, protocol: "tcp", number: plan.region(index).balancer },
      { name: `controller of ${region}`, protocol: "tcp", number: plan.region(index).controller },
    ]),
  ];
}

/** Tries to listen: the one answer that counts. */
async function isFree({ protocol, number }: Port, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    if (protocol === "tcp") {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen({ port: number, host, exclusive: true }, () => server.close(() => resolve(true)));
      return;
    }
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port: number, address: host, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
