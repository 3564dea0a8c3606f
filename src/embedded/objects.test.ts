import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { objectsContract } from "../ports/objects.contract.ts";
import { createSystemClock } from "./clock.ts";
import { createObjects } from "./objects.ts";
import { createObjectsHandler } from "./objects-handler.ts";

const signingKey = "a secret of the region";
const clock = createSystemClock();

objectsContract("embedded", async () => {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-objects-"));
  const objects = await createObjects({ folder, signingKey, clock });
  const handle = createObjectsHandler(objects, { signingKey, clock });
  const server: Server = createServer(
    (request, response) => void handle(request, response, request.url ?? ""),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    objects,
    origin: `http://127.0.0.1:${port}`,
    dispose: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await objects.close();
      await rm(folder, { recursive: true });
    },
  };
});
