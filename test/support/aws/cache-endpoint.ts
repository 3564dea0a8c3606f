import { connect, createServer, type Socket } from "node:net";

/** The one address of a cluster that does not change. */
export interface CacheEndpoint {
  readonly address: string;
  stop(): Promise<void>;
}

/** Leads each connection to the first of these ports of 127.0.0.1 that takes it, in an order that goes round. */
export async function startCacheEndpoint(ports: () => readonly number[]): Promise<CacheEndpoint> {
  const open = new Set<Socket>();
  let turn = 0;
  const server = createServer(async (client) => {
    open.add(client);
    client.on("error", () => {}).on("close", () => open.delete(client));
    const all = ports();
    turn += 1;
    for (let n = 0; n < all.length; n++) {
      const node = await tryConnect(all[(turn + n) % all.length]!);
      if (!node) continue;
      client.pipe(node).on("error", () => client.destroy());
      node.pipe(client);
      node.on("close", () => client.destroy());
      client.on("close", () => node.destroy());
      return;
    }
    client.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    address: `127.0.0.1:${port}`,
    stop: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function tryConnect(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket)).once("error", () => resolve(undefined));
  });
}
