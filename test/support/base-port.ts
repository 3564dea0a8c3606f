import { createServer } from "node:net";
import { planListeners } from "../../src/embedded/listeners.ts";

/**
 * A base port whose documented ports are free now. Below the range that systems hand out for outgoing connections,
 * so that nothing takes one of them by chance.
 */
export async function freeBasePort(): Promise<number> {
  for (;;) {
    const base = 12_000 + Math.floor(Math.random() * 18_000);
    const plan = planListeners(base);
    const regions = [0, 1, 2].flatMap((index) => [
      plan.region(index).balancer,
      plan.region(index).controller,
    ]);
    const free = await Promise.all([plan.edge, plan.api, plan.dns, ...regions].map(isFree));
    if (free.every(Boolean)) return base;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
