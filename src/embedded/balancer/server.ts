import { publicError } from "../../core/problem.ts";
import type { Clock, Random } from "../../ports/clock.ts";
import { sendError } from "../proxy/answer.ts";
import { admit, Forwarder } from "../proxy/forwarder.ts";
import { Front, type FrontHandler } from "../proxy/front.ts";
import { administer, isAdministration } from "./admin.ts";
import { checkHealth } from "./health-check.ts";
import { TargetTable } from "./target-table.ts";

export interface BalancerServer {
  readonly port: number;
  /** Takes no new connection, lets requests end for up to 10 s, and stops. */
  stop(): Promise<void>;
}

const stopGraceMilliseconds = 10_000;

/**
 * What the balancer process runs: the front, the targets and the proxy between them.
 * @throws E_PORT_IN_USE, E_STATE_CORRUPT
 */
export async function startBalancerServer(options: {
  readonly host: string;
  readonly port: number;
  /** Remembers the targets. */
  readonly file: string;
  readonly internalToken: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: (entry: { readonly level: "info" | "warn" | "error"; readonly message: string }) => void;
}): Promise<BalancerServer> {
  const { host, port, file, internalToken, clock, random, log } = options;
  const table = new TargetTable({ file, clock, check: checkHealth, log });
  const forwarder = new Forwarder({ role: "balancer", internalToken, clock, random });
  const handler: FrontHandler = (request, response, upgrade) => {
    if (isAdministration(request, internalToken)) {
      void administer(request, response, table);
      return;
    }
    try {
      forwarder.forward({ request, response, path: admit(request).path, upstreams: table, upgrade });
    } catch (error) {
      sendError(request, response, publicError(error));
    }
  };
  const front = new Front({ handler, clock });
  await table.start();
  const listening = await front.listen(host, port).catch(async (error: unknown) => {
    await table.stop();
    throw error;
  });
  log({ level: "info", message: `Listening on ${host}:${listening}.` });
  return {
    port: listening,
    stop: async () => {
      await front.close(stopGraceMilliseconds);
      await table.stop();
    },
  };
}
