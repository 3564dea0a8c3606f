import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, isIPv6, type Server, type Socket } from "node:net";
import type { DnsRecord } from "../../core/dns/record.ts";
import { buildZone, type Zone } from "../../core/dns/zone.ts";
import { fault } from "../../core/error.ts";
import type { Clock } from "../../ports/clock.ts";
import type { ConnectOptions } from "../../postgres/connect.ts";
import { RecordFollower } from "./follow.ts";
import { respond } from "./respond.ts";
import { serveTcp } from "./tcp.ts";

export interface DnsServerOptions {
  /** The directory's database, which was prepared by `prepareDns`. */
  readonly connection: ConnectOptions;
  readonly zone: string;
  readonly host: string;
  /** For UDP and TCP alike. */
  readonly port: number;
  readonly clock: Clock;
  /** Default: `ns1` in the zone, at the address that is listened on. */
  readonly nameServers?: readonly { readonly name: string; readonly addresses: readonly string[] }[];
  /** How long others may remember that a name isn't there. Default 60. */
  readonly negativeTtlSeconds?: number;
  /** RFC 7766, section 6.2.3, leaves it to the server. Default 10,000. */
  readonly tcpIdleMilliseconds?: number;
  readonly onFault?: (error: unknown) => void;
}

export interface DnsServer {
  /** Serves when it resolves, with the zone unless its database is away. @throws E_PORT_IN_USE */
  listen(): Promise<void>;
  close(): Promise<void>;
}

const unspecified = ["0.0.0.0", "::"];

/**
 * The zone's authoritative name server. It answers from memory, follows the records as they change, and keeps
 * answering with the last ones while their database is away.
 */
export function createDnsServer(options: DnsServerOptions): DnsServer {
  return new AuthoritativeServer(options);
}

class AuthoritativeServer implements DnsServer {
  readonly #options: DnsServerOptions;
  readonly #follower: RecordFollower;
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #zone: Zone | undefined;
  #records = "";
  #serial = 0;
  #closed = false;

  constructor(options: DnsServerOptions) {
    this.#options = options;
    this.#follower = new RecordFollower({
      connection: options.connection,
      clock: options.clock,
      onRecords: (records) => this.#onRecords(records),
      onFault: options.onFault ?? (() => {}),
    });
    this.#udp = createSocket({ type: isIPv6(options.host) ? "udp6" : "udp4" });
    this.#udp.on("message", (message, from) => {
      const answer = respond(this.#zone, message, "udp");
      // Where an answer can't be sent, its asker is gone.
      if (answer) this.#udp.send(answer, from.port, from.address, () => {});
    });
    this.#tcp = createServer((socket) =>
      serveTcp(socket, {
        connections: this.#connections,
        answer: (message) => respond(this.#zone, message, "tcp"),
        idleMilliseconds: options.tcpIdleMilliseconds ?? 10_000,
      }),
    );
  }

  async listen(): Promise<void> {
    const { host, port } = this.#options;
    try {
      this.#tcp.listen({ host, port });
      await once(this.#tcp, "listening");
      this.#udp.bind({ address: host, port });
      await once(this.#udp, "listening");
    } catch (cause) {
      await this.close();
      if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
      throw fault("E_PORT_IN_USE", `The port ${port}, for DNS, is taken by another program.`, { cause });
    }
    for (const socket of [this.#tcp, this.#udp])
      socket.on("error", (error) => this.#options.onFault?.(error));
    await this.#follower.start();
  }

  async close(): Promise<void> {
    await this.#follower.stop();
    for (const connection of this.#connections) connection.destroy();
    if (this.#tcp.listening) await new Promise((resolve) => this.#tcp.close(resolve));
    if (!this.#closed) await new Promise<void>((resolve) => this.#udp.close(() => resolve()));
    this.#closed = true;
  }

  #onRecords(records: readonly DnsRecord[]): void {
    const text = JSON.stringify(
      records.toSorted((a, b) => (`${a.name} ${a.type}` < `${b.name} ${b.type}` ? -1 : 1)),
    );
    if (this.#zone && text === this.#records) return;
    const { zone, host, clock, nameServers, negativeTtlSeconds = 60 } = this.#options;
    const ownServer = { name: `ns1.${zone}`, addresses: unspecified.includes(host) ? [] : [host] };
    this.#records = text;
    this.#serial = Math.max(this.#serial + 1, Math.floor(clock.now().getTime() / 1000));
    this.#zone = buildZone(records, {
      apex: zone,
      nameServers: nameServers ?? [ownServer],
      serial: this.#serial,
      negativeTtlSeconds,
    });
  }
}
