import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { expect } from "vitest";
import { type BalancerServer, startBalancerServer } from "../../src/embedded/balancer/server.ts";
import { createSystemClock, createSystemRandom } from "../../src/node/clock.ts";

/** A balancer inside the test's own process, and the targets that a test gives it. */
export class BalancerHarness {
  readonly internalToken = "secret";
  #folder = "";
  #server: BalancerServer | undefined;
  #targets: (Server | TcpServer)[] = [];

  get port(): number {
    return this.#server?.port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    if (this.#folder === "") this.#folder = await mkdtemp(join(tmpdir(), "rowhouse-balancer-server-"));
    this.#server = await startBalancerServer({
      ...{ host: "127.0.0.1", port: 0, file: join(this.#folder, "targets.json") },
      ...{ internalToken: this.internalToken, log: () => {} },
      ...{ clock: createSystemClock(), random: createSystemRandom() },
    });
  }

  /** Stops the balancer in order; `start` brings it back with what it remembers. */
  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  async dispose(): Promise<void> {
    for (const target of this.#targets.splice(0)) {
      target.close();
      if ("closeAllConnections" in target) target.closeAllConnections();
    }
    await this.stop();
    await rm(this.#folder, { recursive: true });
    this.#folder = "";
  }

  /** Makes a server listen until the end of the test; gives `host:port`. */
  async listen(target: Server | TcpServer, port = 0): Promise<string> {
    await new Promise<void>((resolve) => target.listen(port, "127.0.0.1", resolve));
    this.#targets.push(target);
    return `127.0.0.1:${(target.address() as AddressInfo).port}`;
  }

  async administer(method: string, path = "", body?: unknown): Promise<{ status: number; text: string }> {
    const answer = await request(`${this.url}/_rowhouse/balancer/targets${path}`, {
      method: method as "GET",
      headers: { authorization: `Bearer ${this.internalToken}` },
      body: body === undefined ? null : JSON.stringify(body),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  }

  async states(): Promise<Record<string, { state: string; reason?: string; address: string; zone: string }>> {
    const list = JSON.parse((await this.administer("GET")).text);
    return Object.fromEntries(list.map((target: { id: string }) => [target.id, target]));
  }

  async register(id: string, address: string, zone = "a"): Promise<void> {
    expect((await this.administer("PUT", `/${id}`, { address, zone })).status).toBe(204);
  }

  /** Makes the server a target, and waits until it gets requests. */
  async add(id: string, target: Server | TcpServer, zone = "a"): Promise<string> {
    const address = await this.listen(target);
    await this.register(id, address, zone);
    await expect.poll(async () => (await this.states())[id]?.state, { timeout: 5000 }).toBe("healthy");
    return address;
  }
}

/** A server that is well, and answers all else as told. */
export function answering(listener: RequestListener): Server {
  return createServer((request, response) => {
    if (request.url === "/_rowhouse/health") response.end("{}");
    else listener(request, response);
  });
}

/** The same on bare sockets; `talk` gets the first chunk of each connection. */
export function rawTarget(talk: (socket: Socket, head: string) => void): TcpServer {
  return createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (chunk) => {
      const head = chunk.toString("latin1");
      if (head.includes("/_rowhouse/health")) socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      else talk(socket, head);
    });
  });
}
