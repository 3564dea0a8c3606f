import { createServer, type Server } from "node:net";
import { blockedPortOf } from "../../src/embedded/blocked-ports.ts";
import { planListeners } from "../../src/embedded/listeners.ts";

/** A whole system's ports lie within so many above its base port. */
const portsOfSystem = 1_000;

/** All blocks end below the range that systems hand out for outgoing connections, so that none takes a port by chance. */
const firstBase = 2_080;
const blocks = 30;

/**
 * The base port of a block of ports that is this process's own until it ends, and whose documented ports are free.
 * The port below the base is kept open as the claim: a process that died has none.
 *
 * @throws when every block is claimed or in use.
 */
export async function freeBasePort(): Promise<number> {
  const start = Math.floor(Math.random() * blocks);
  for (let tried = 0; tried < blocks; tried += 1) {
    const base = firstBase + ((start + tried) % blocks) * portsOfSystem;
    if (blockedPortOf(base) !== undefined) continue;
    const claim = await listen(base - 1);
    if (claim === undefined) continue;
    if (await documentedPortsAreFree(base)) {
      claim.unref();
      return base;
    }
    await closed(claim);
  }
  throw new Error(`All ${blocks} blocks of ports are in use.`);
}

async function documentedPortsAreFree(base: number): Promise<boolean> {
  const plan = planListeners(base);
  const regions = [0, 1, 2].flatMap((index) => [plan.region(index).balancer, plan.region(index).controller]);
  const free = await Promise.all([plan.edge, plan.api, plan.dns, ...plan.directory, ...regions].map(isFree));
  return free.every(Boolean);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listen(port);
  if (server === undefined) return false;
  await closed(server);
  return true;
}

function listen(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
