import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { mayServe, RegionStates } from "../../control/recovery/region-states.ts";
import { fault, toRowhouseError } from "../../core/error.ts";
import { sharedServer } from "../../embedded/data-platform.ts";
import { openDirectory } from "../../embedded/platform.ts";
import type { ProcessTable } from "../../embedded/processes.ts";
import { regionSettings, type Settings } from "../../embedded/settings.ts";
import { isFenced } from "../../embedded/stacks/fence.ts";
import type { StateFolder } from "../../embedded/state-folder.ts";
import { regionStatusWithout } from "../supervisor/regions.ts";

const pollMilliseconds = 100;

interface Parts {
  readonly folder: StateFolder;
  readonly settings: Settings;
  readonly region: string;
  readonly processes: ProcessTable;
  readonly log: (message: string) => void;
}

/**
 * Resolves when the region may serve. One that may have failed over while it was away asks the directory before it
 * touches anything, for as long as that takes, and says meanwhile that it is fenced. One that has nothing yet, or whose
 * instances serve all the while (a failover would have ended them), need not wait.
 */
export async function untilMayServe(parts: Parts): Promise<void> {
  if (!(await mustAsk(parts))) return;
  const waiting = await answerMeanwhile(parts);
  try {
    for (let last = ""; ; ) {
      const word = await ask(parts).catch((error: unknown) => toRowhouseError(error).message);
      if (word === true) return;
      const message = word === false ? "the region has failed over, and serves nobody" : word;
      if (message !== last) parts.log(message);
      last = message;
      await sleep(pollMilliseconds);
    }
  } finally {
    await waiting.close();
  }
}

async function mustAsk({ folder, settings, region, processes }: Parts): Promise<boolean> {
  if (isFenced(folder, region)) return true;
  if (regionSettings(settings, region).region.recovery === undefined) return false;
  if (!existsSync(join(folder.region(region), "databases", sharedServer, "server.json"))) return false;
  const instances = await processes.list("instance");
  return !instances.some(({ labels }) => labels.region === region);
}

async function ask({ folder, region }: Parts): Promise<boolean> {
  const { pool } = await openDirectory(folder, "rowhouse-controller");
  try {
    return mayServe((await new RegionStates(pool).find(region)).state);
  } finally {
    await pool.end();
  }
}

/** Where the controller listens later, so that the supervisor hears what it waits for. */
async function answerMeanwhile({ settings, region }: Parts): Promise<{ close(): Promise<void> }> {
  const app = new Hono();
  const status = () => regionStatusWithout(settings, region, "fenced", process.pid);
  app.post("/rpc/status", (context) => context.json({ result: status() }));
  app.all("*", (context) => context.json({ error: fault("E_REGION_LOST").toJSON() }, 409));
  const { controller } = regionSettings(settings, region).listeners;
  const server = serve({ fetch: app.fetch, hostname: "127.0.0.1", port: controller });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
