import { type Answer, decode, encode, type OptAnswer } from "dns-packet";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DnsRecord } from "../../core/dns/record.ts";
import { buildZone } from "../../core/dns/zone.ts";
import { respond } from "./respond.ts";

const record = (name: string, type: DnsRecord["type"], ...values: string[]): DnsRecord => ({
  name,
  type,
  ttlSeconds: 60,
  values,
});
const zone = buildZone(
  [
    record("acme.shop.example", "A", "192.0.2.1", "192.0.2.2"),
    record("acme.shop.example", "AAAA", "2001:db8::1"),
    record("alias.shop.example", "CNAME", "acme.shop.example"),
    record("*.wild.shop.example", "A", "192.0.2.9"),
    record("text.shop.example", "TXT", `ü${"x".repeat(600)}`, "short"),
    record("many.shop.example", "A", ...Array.from({ length: 100 }, (_, n) => `192.0.2.${n}`)),
  ],
  {
    apex: "shop.example",
    nameServers: [{ name: "ns1.shop.example", addresses: ["192.0.2.53"] }],
    serial: 7,
    negativeTtlSeconds: 45,
  },
);

const opt = (part: Partial<OptAnswer> = {}): OptAnswer => ({
  type: "OPT",
  name: ".",
  udpPayloadSize: 4096,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
  ...part,
});

function query(name: string, type = "A", additionals: Answer[] = []): Buffer {
  return encode({
    type: "query",
    id: 4711,
    flags: 0x100,
    questions: [{ name, type: type as "A" }],
    additionals,
  });
}

function ask(request: Buffer, transport: "udp" | "tcp" = "udp") {
  const bytes = respond(zone, request, transport)!;
  const packet = decode(bytes);
  return { ...packet, code: bytes.readUInt16BE(2) & 15, bytes };
}

const data = (answers: Answer[] | undefined) =>
  answers?.map((answer) => ("data" in answer ? answer.data : undefined));

describe("an answer", () => {
  test("is authoritative, repeats the id and the wish for recursion, and offers none", () => {
    const answer = ask(query("acme.shop.example"));
    expect(answer).toMatchObject({
      type: "response",
      id: 4711,
      code: 0,
      flag_aa: true,
      flag_rd: true,
      flag_ra: false,
      flag_tc: false,
    });
    expect(data(answer.answers)).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(answer.answers?.every((each) => "ttl" in each && each.ttl === 60)).toBe(true);
    expect(answer.authorities).toEqual([]);
  });

  test("finds names in any case, and repeats the case of the question", () => {
    const answer = ask(query("AcMe.sHoP.eXaMpLe"));
    expect(answer.questions?.[0]?.name).toBe("AcMe.sHoP.eXaMpLe");
    expect(answer.answers?.map((each) => each.name)).toEqual(["AcMe.sHoP.eXaMpLe", "AcMe.sHoP.eXaMpLe"]);
  });

  test("has the alias first and then what it leads to", () => {
    const answer = ask(query("alias.shop.example", "AAAA"));
    expect(answer.answers).toMatchObject([
      { name: "alias.shop.example", type: "CNAME", data: "acme.shop.example" },
      { name: "acme.shop.example", type: "AAAA", data: "2001:db8::1" },
    ]);
  });

  test("from a wildcard has the name that was asked for, whatever letters it has", () => {
    expect(ask(query("a.B.wild.shop.example")).answers).toMatchObject([
      { name: "a.B.wild.shop.example", data: "192.0.2.9" },
    ]);
    expect(ask(query("ü\u212A.wild.shop.example")).answers).toMatchObject([
      { name: "ü\u212A.wild.shop.example" },
    ]);
  });

  test("puts long texts into pieces", () => {
    const [long, short] = data(ask(query("text.shop.example", "TXT"), "tcp").answers) as Buffer[][];
    expect(Buffer.concat(long!).toString()).toBe(`ü${"x".repeat(600)}`);
    expect(long!.map((piece) => piece.length)).toEqual([255, 255, 92]);
    expect(Buffer.concat(short!).toString()).toBe("short");
  });

  test("names the zone's servers with their addresses", () => {
    const answer = ask(query("shop.example", "NS"));
    expect(data(answer.answers)).toEqual(["ns1.shop.example"]);
    expect(answer.additionals).toMatchObject([{ name: "ns1.shop.example", type: "A", data: "192.0.2.53" }]);
    expect(ask(query("shop.example", "SOA")).answers).toMatchObject([
      {
        type: "SOA",
        data: { mname: "ns1.shop.example", rname: "hostmaster.shop.example", serial: 7, minimum: 45 },
      },
    ]);
  });

  test.each([
    ["a name that isn't there", "nothing.shop.example", "A", 3],
    ["a name without such records", "acme.shop.example", "TXT", 0],
    ["a type that nobody has", "acme.shop.example", "MX", 0],
    ["a name that only has others below it", "wild.shop.example", "A", 0],
  ])("says of %s how long that may be remembered", (_, name, type, code) => {
    const answer = ask(query(name, type));
    expect(answer).toMatchObject({ code, flag_aa: true, answers: [] });
    expect(answer.authorities).toMatchObject([{ type: "SOA", name: "shop.example", ttl: 45 }]);
  });

  test("to everything is as small as can be", () => {
    expect(ask(query("acme.shop.example", "ANY")).answers).toMatchObject([
      { type: "HINFO", data: { cpu: "RFC8482" } },
    ]);
    expect(ask(query("alias.shop.example", "ANY")).answers).toMatchObject([{ type: "CNAME" }]);
    expect(ask(query("nothing.shop.example", "ANY"))).toMatchObject({ code: 3, answers: [] });
  });
});

describe("refusals", () => {
  test.each(["elsewhere.example", "example", ".", "workshop.example"])("of the foreign name %s", (name) => {
    expect(ask(query(name))).toMatchObject({ code: 5, flag_aa: false, answers: [] });
  });

  test.each(["AXFR", "IXFR"])("of a zone transfer by %s", (type) => {
    expect(ask(query("shop.example", type))).toMatchObject({ code: 5 });
  });

  test("of another class", () => {
    const request = query("acme.shop.example");
    request.writeUInt16BE(3, request.length - 2);
    expect(ask(request)).toMatchObject({ code: 5 });
    request.writeUInt16BE(255, request.length - 2);
    expect(ask(request)).toMatchObject({ code: 0, answers: { length: 2 } });
  });

  test("of another operation, as not implemented", () => {
    const request = query("acme.shop.example");
    request.writeUInt16BE(5 << 11, 2);
    const answer = ask(request);
    expect(answer).toMatchObject({ code: 4, opcode: "UPDATE" });
    expect(answer.questions).toHaveLength(1);
  });

  test.each([0, 2, 65_535])("of %i questions, as malformed", (count) => {
    const request = query("acme.shop.example");
    request.writeUInt16BE(count, 4);
    expect(respond(zone, request, "udp")!.readUInt16BE(2) & 15).toBe(1);
  });

  test("of names that are cut short, too long or point elsewhere, as malformed", () => {
    const header = query("acme.shop.example").subarray(0, 12);
    const tails = [[], [4, 97], [0], [0xc0, 12, 0, 1, 0, 1], [64, ...Array(64).fill(97), 0, 0, 1, 0, 1]];
    const tooLong = [
      ...Array(5)
        .fill([63, ...Array(63).fill(97)])
        .flat(),
      0,
      0,
      1,
      0,
      1,
    ];
    for (const tail of [...tails, tooLong]) {
      const answer = respond(zone, Buffer.concat([header, Buffer.from(tail)]), "udp")!;
      expect(answer.readUInt16BE(2) & 15).toBe(1);
    }
  });

  test("of a label with a dot in it, which is not two labels", () => {
    const request = query("acmexshop.example");
    request[12 + 5] = 0x2e;
    const answer = respond(zone, request, "udp")!;
    expect(answer.readUInt16BE(2) & 15).toBe(5);
    expect(answer.subarray(12)).toEqual(request.subarray(12));
  });

  test("while there is no zone yet, as the server's own failure", () => {
    expect(respond(undefined, query("acme.shop.example"), "udp")!.readUInt16BE(2) & 15).toBe(2);
  });

  test("no answer to answers and fragments", () => {
    const answer = respond(zone, query("acme.shop.example"), "udp")!;
    expect(respond(zone, answer, "udp")).toBeUndefined();
    expect(respond(zone, Buffer.alloc(11), "udp")).toBeUndefined();
  });
});

describe("sizes", () => {
  test.each<[string, Answer[], number]>([
    ["512 bytes for who says nothing", [], 512],
    ["512 bytes for who asks for less", [opt({ udpPayloadSize: 100 })], 512],
    ["what the asker takes", [opt({ udpPayloadSize: 700 })], 700],
    ["1232 bytes at most", [opt({ udpPayloadSize: 65_535 })], 1232],
  ])("over UDP: %s", (_, additionals, limit) => {
    const answer = ask(query("many.shop.example", "A", additionals));
    expect(answer).toMatchObject({ code: 0, flag_tc: true, flag_aa: true, answers: [] });
    expect(answer.bytes.length).toBeLessThanOrEqual(limit);
    const fits = Array.from({ length: 100 }, (_, n) => `192.0.2.${n}`).slice(
      0,
      Math.floor((limit - 100) / 33),
    );
    const small = buildZone([record("many.shop.example", "A", ...fits)], {
      apex: "shop.example",
      nameServers: [],
      serial: 1,
      negativeTtlSeconds: 1,
    });
    const whole = decode(respond(small, query("many.shop.example", "A", additionals), "udp")!);
    expect(whole.flag_tc).toBe(false);
    expect(whole.answers).toHaveLength(fits.length);
  });

  test("over TCP: all of it", () => {
    expect(ask(query("many.shop.example"), "tcp")).toMatchObject({
      flag_tc: false,
      answers: { length: 100 },
    });
  });
});

describe("EDNS", () => {
  const extensionOf = (request: Buffer) => ask(request).additionals?.filter((each) => each.type === "OPT");

  test("is answered where it was used, with the size that is taken here", () => {
    expect(extensionOf(query("acme.shop.example"))).toEqual([]);
    expect(extensionOf(query("acme.shop.example", "A", [opt()]))).toMatchObject([
      { udpPayloadSize: 1232, ednsVersion: 0, flag_do: false },
    ]);
    expect(extensionOf(query("elsewhere.example", "A", [opt({ flags: 0x8000 })]))).toMatchObject([
      { flag_do: true },
    ]);
  });

  test("of a later version is refused with the version that is spoken here", () => {
    const answer = ask(query("acme.shop.example", "A", [opt({ ednsVersion: 1 })]));
    expect(answer).toMatchObject({ code: 0, answers: [] });
    expect(answer.additionals).toMatchObject([{ type: "OPT", extendedRcode: 1, ednsVersion: 0 }]);
  });

  test("with an option that nobody knows is answered all the same", () => {
    const request = query("acme.shop.example", "A", [opt()]);
    // Code 65001, two bytes; the length of all options comes right before them.
    const options = Buffer.from([0xfd, 0xe9, 0, 2, 1, 2]);
    request.writeUInt16BE(options.length, request.length - 2);
    expect(ask(Buffer.concat([request, options]))).toMatchObject({ code: 0, answers: { length: 2 } });
  });

  test("twice in a message is malformed", () => {
    expect(ask(query("acme.shop.example", "A", [opt(), opt()]))).toMatchObject({ code: 1 });
  });
});

describe("whatever arrives", () => {
  const isSound = (request: Buffer) => {
    for (const transport of ["udp", "tcp"] as const) {
      const answer = respond(zone, request, transport);
      if (!answer) continue;
      expect(answer.readUInt16BE(0)).toBe(request.readUInt16BE(0));
      expect(answer.readUInt16BE(2) & 0x8000).toBe(0x8000);
      if (transport === "udp") expect(answer.length).toBeLessThanOrEqual(1232);
    }
  };

  test("random bytes are survived", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => isSound(Buffer.from(bytes))),
      { numRuns: 2000 },
    );
  });

  test("questions with bytes changed, cut off or added are survived", () => {
    const change = fc.record({ at: fc.nat(80), to: fc.integer({ min: 0, max: 255 }) });
    const names = fc.constantFrom(
      "acme.shop.example",
      "a.wild.shop.example",
      "many.shop.example",
      "alias.shop.example",
    );
    fc.assert(
      fc.property(
        names,
        fc.array(change, { maxLength: 6 }),
        fc.nat(90),
        fc.uint8Array({ maxLength: 30 }),
        (name, changes, length, tail) => {
          const request = Buffer.concat([query(name, "A", [opt()]).subarray(0, length), Buffer.from(tail)]);
          for (const { at, to } of changes) if (at < request.length) request[at] = to;
          isSound(request);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
