import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serve } from "@hono/node-server";
import { processIdentity } from "../../src/embedded/process-identity.ts";
import { StateFolder, writeFileAtomically } from "../../src/embedded/state-folder.ts";
import { operatorToken, type TestApi } from "./api.ts";

/** Serves the API on a port and makes the state folder in which the command line finds it. */
export async function serveApi({
  api,
}: TestApi): Promise<{ readonly path: string; dispose(): Promise<void> }> {
  const server = serve({ fetch: api.fetch, port: 0, hostname: "127.0.0.1" });
  await new Promise<void>((resolve) => server.once("listening", resolve));
  const apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const folder = new StateFolder(await mkdtemp(join(tmpdir(), "rowhouse-test-state-")));
  await folder.create();
  const lock = {
    pid: process.pid,
    identity: processIdentity(process.pid),
    url: apiUrl,
    apiUrl,
    basePort: 8080,
  };
  await writeFileAtomically(folder.lock, JSON.stringify(lock));
  await writeFileAtomically(folder.operatorToken, `${operatorToken}\n`);
  return {
    path: folder.path,
    dispose: async () => {
      await new Promise((resolve) => server.close(resolve));
      await rm(folder.path, { recursive: true, force: true });
    },
  };
}
