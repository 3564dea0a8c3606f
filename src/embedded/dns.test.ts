import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { decode, encode, streamDecode, streamEncode } from "dns-packet";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { createSystemClock } from "../node/clock.ts";
import { dnsContract } from "../ports/dns.contract.ts";
import type { Dns } from "../ports/dns.ts";
import { createDns, createDnsServer, type DnsServer, prepareDns } from "./dns.ts";

const zone = "shop.example";

dnsContract("embedded", async () => {
  const database = await createTestDatabase();
  await prepareDns(database.pool);
  return { dns: createDns({ pool: database.pool, zone }), zone, dispose: () => database.drop() };
});

describe("the name server", () => {
  let database: TestDatabase;
  let dns: Dns;
  let server: DnsServer;
  let port: number;
  let resolver: Resolver;
  const faults: unknown[] = [];

  const options = () => ({
    connection: {
      endpoint: { nodes: [{ host: database.host, port: database.port }] },
      database: database.name,
      credentials: { user: "postgres", password: "" },
      applicationName: "dns-server-test",
    },
    zone,
    host: "127.0.0.1",
    port,
    clock: createSystemClock(),
    onFault: (error: unknown) => faults.push(error),
  });
  beforeAll(async () => {
    database = await createTestDatabase();
    await prepareDns(database.pool);
    dns = createDns({ pool: database.pool, zone });
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    port = await freePort();
    server = createDnsServer(options());
    resolver = new Resolver({ timeout: 2000, tries: 2 });
    resolver.setServers([`127.0.0.1:${port}`]);
  });
  afterEach(() => server.close());

  const add = (name: string, type: "A" | "AAAA" | "CNAME" | "TXT", ...values: string[]) =>
    dns.upsert({ name, type, ttlSeconds: 30, values });
  const addressOf = (name: string) => resolver.resolve4(name).catch((error: { code: string }) => error.code);

  test("answers a resolver: addresses, aliases, texts, wildcards and what isn't there", async () => {
    await add("eu.regions.shop.example", "A", "192.0.2.1", "192.0.2.2");
    await add("eu.regions.shop.example", "AAAA", "2001:db8::1");
    await add("*.shop.example", "CNAME", "eu.regions.shop.example");
    await add("note.shop.example", "TXT", "hello");
    await server.listen();
    expect(await resolver.resolve4("eu.regions.shop.example", { ttl: true })).toEqual([
      { address: "192.0.2.1", ttl: 30 },
      { address: "192.0.2.2", ttl: 30 },
    ]);
    expect(await resolver.resolve6("acme.shop.example")).toEqual(["2001:db8::1"]);
    expect(await resolver.resolveCname("acme.shop.example")).toEqual(["eu.regions.shop.example"]);
    expect(await resolver.resolveTxt("note.shop.example")).toEqual([["hello"]]);
    expect(await resolver.resolveNs(zone)).toEqual(["ns1.shop.example"]);
    expect(await resolver.resolve4("ns1.shop.example")).toEqual(["127.0.0.1"]);
    expect(await resolver.resolveSoa(zone)).toMatchObject({ nsname: "ns1.shop.example", minttl: 60 });
    expect(await addressOf("nothing.eu.regions.shop.example")).toBe("ENOTFOUND");
    expect(await addressOf("note.shop.example")).toBe("ENODATA");
    expect(await addressOf("elsewhere.example")).toBe("EREFUSED");
  });

  test("answers over TCP what is too long for UDP", async () => {
    const addresses = Array.from({ length: 100 }, (_, n) => `192.0.2.${n}`);
    await add("many.shop.example", "A", ...addresses);
    await server.listen();
    expect((await resolver.resolve4("many.shop.example")).toSorted()).toEqual(addresses.toSorted());
  });

  test("follows the records as they change", async () => {
    await server.listen();
    const serial = async () => (await resolver.resolveSoa(zone)).serial;
    const before = await serial();
    await add("moving.shop.example", "A", "192.0.2.1");
    await expect.poll(() => addressOf("moving.shop.example"), { timeout: 5000 }).toEqual(["192.0.2.1"]);
    await add("moving.shop.example", "A", "192.0.2.2");
    await expect.poll(() => addressOf("moving.shop.example"), { timeout: 5000 }).toEqual(["192.0.2.2"]);
    expect(await serial()).toBeGreaterThanOrEqual(before + 2);
  });

  test("keeps answering when its connection breaks, and then catches up", async () => {
    await add("steady.shop.example", "A", "192.0.2.1");
    await server.listen();
    await database.pool.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dns-server-test'",
    );
    expect(await addressOf("steady.shop.example")).toEqual(["192.0.2.1"]);
    await add("steady.shop.example", "A", "192.0.2.2");
    await expect.poll(() => addressOf("steady.shop.example"), { timeout: 10_000 }).toEqual(["192.0.2.2"]);
  });

  test("starts without its database, says that it can't tell, and serves as soon as it can", async () => {
    await add("later.shop.example", "A", "192.0.2.1");
    const databasePort = await freePort();
    const { connection } = options();
    server = createDnsServer({
      ...options(),
      connection: { ...connection, endpoint: { nodes: [{ host: "127.0.0.1", port: databasePort }] } },
    });
    await server.listen();
    expect(await addressOf("later.shop.example")).toBe("ESERVFAIL");
    expect(faults.at(-1)).toMatchObject({ code: "E_DATABASE_UNAVAILABLE" });
    const relay = createServer((socket) => {
      const upstream = connect(database.port, database.host);
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const)
        one.pipe(other).on("error", () => other.destroy());
    });
    relay.listen(databasePort, "127.0.0.1");
    await expect.poll(() => addressOf("later.shop.example"), { timeout: 10_000 }).toEqual(["192.0.2.1"]);
    await server.close();
    await new Promise((resolve) => relay.close(resolve));
  });

  test("says which port is taken", async () => {
    await server.listen();
    await expect(createDnsServer(options()).listen()).rejects.toMatchObject({ code: "E_PORT_IN_USE" });
    expect(await addressOf("ns1.shop.example")).toEqual(["127.0.0.1"]);
  });

  test("survives rubbish over UDP", async () => {
    await server.listen();
    const socket = createSocket("udp4");
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(5), Buffer.alloc(2000, 0xff), Buffer.alloc(40)])
      socket.send(bytes, port, "127.0.0.1");
    const request = encode({ type: "query", id: 9, questions: [{ name: "Ns1.Shop.Example", type: "A" }] });
    socket.send(request, port, "127.0.0.1");
    for (;;) {
      const [message] = (await once(socket, "message")) as [Buffer];
      if (message.readUInt16BE(0) !== 9) continue;
      expect(decode(message)).toMatchObject({
        questions: [{ name: "Ns1.Shop.Example" }],
        answers: [{ data: "127.0.0.1" }],
      });
      break;
    }
    socket.close();
  });

  describe("over TCP", () => {
    const open = async (): Promise<Socket> => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      await once(socket, "connect");
      return socket;
    };
    const question = (id: number) =>
      streamEncode({ type: "query", id, questions: [{ name: "ns1.shop.example", type: "A" }] });

    test("answers several questions of one connection, in whatever pieces they come", async () => {
      await server.listen();
      const socket = await open();
      const both = Buffer.concat([question(1), question(2)]);
      const pieces: [number, number][] = [
        [0, 1],
        [1, 7],
        [7, 30],
        [30, both.length],
      ];
      for (const [start, end] of pieces) {
        await new Promise((resolve) => socket.write(both.subarray(start, end), resolve));
      }
      let received: Buffer = Buffer.alloc(0);
      const ids: (number | undefined)[] = [];
      while (ids.length < 2) {
        received = Buffer.concat([received, ...((await once(socket, "data")) as [Buffer])]);
        while (received.length > 2 && received.length >= 2 + received.readUInt16BE(0)) {
          ids.push(streamDecode(received)?.id);
          received = received.subarray(2 + received.readUInt16BE(0));
        }
      }
      expect(ids).toEqual([1, 2]);
      socket.destroy();
    });

    test("hangs up on what isn't DNS", async () => {
      await server.listen();
      const socket = await open();
      const closed = once(socket, "close");
      socket.resume().write(Buffer.from([0, 3, 1, 2, 3]));
      await closed;
      expect(await addressOf("ns1.shop.example")).toEqual(["127.0.0.1"]);
    });

    test("hangs up on who stays silent", async () => {
      server = createDnsServer({ ...options(), tcpIdleMilliseconds: 50 });
      await server.listen();
      const socket = await open();
      await once(socket.resume(), "close");
    });

    test("has a bounded number of clients: the one that was silent for longest makes room", async () => {
      await server.listen();
      const first = await open();
      const closed = once(first, "close");
      const others: Socket[] = [];
      for (let n = 0; n < 64; n++) others.push(await open());
      await closed;
      const [last] = others.slice(-1);
      last!.write(question(5));
      const [reply] = (await once(last!, "data")) as [Buffer];
      expect(streamDecode(reply)?.id).toBe(5);
      for (const socket of others) socket.destroy();
    });
  });
});
