import {
  type Answer,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type OptAnswer,
  RECURSION_DESIRED,
  TRUNCATED_RESPONSE,
} from "dns-packet";
import { canonicalName } from "../../core/dns/record.ts";
import { type Lookup, lookup, type RecordSet, type Zone } from "../../core/dns/zone.ts";
import { toAnswers } from "./wire.ts";

const headerBytes = 12;
/** RFC 1035, section 4.2.1, for who doesn't say more. */
const plainUdpBytes = 512;
/** What passes through the Internet in one piece: https://www.dnsflagday.net/2020/ */
const safeUdpBytes = 1232;

/** What the length before a message over TCP can say. */
const largestBytes = 65_535;

const isAnswer = 0x8000;
const operationMask = 0x7800;
const response = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;
/** BADVERS is 16, of which the upper bits go into the OPT record (RFC 6891, section 6.1.3). */
const badVersionExtended = 1;
const internetClasses = [1, 255];

/**
 * The answer to one DNS message, or `undefined` for what isn't worth one: a fragment, or an answer itself. Never
 * throws. Without a zone the server is still starting, and says so.
 */
export function respond(
  zone: Zone | undefined,
  request: Buffer,
  transport: "udp" | "tcp",
): Buffer | undefined {
  if (request.length < headerBytes || (request.readUInt16BE(2) & isAnswer) !== 0) return undefined;
  const header = { id: request.readUInt16BE(0), flags: request.readUInt16BE(2) };
  const question = questionOf(request);
  const refusal = (code: number) => assemble({ ...header, code, question });
  if ((header.flags & operationMask) !== 0) return refusal(response.notImplemented);
  if (request.readUInt16BE(4) !== 1 || !question) return refusal(response.formatError);
  const query = decodeQuery(request);
  if (!query) return refusal(response.formatError);
  const context = { ...header, question, extension: query.extension };
  if (query.extension && query.extension.ednsVersion > 0) {
    return assemble({ ...context, code: response.noError, extended: badVersionExtended });
  }
  if (!zone) return assemble({ ...context, code: response.serverFailure });
  const udpLimit = Math.min(Math.max(query.extension?.udpPayloadSize ?? 0, plainUdpBytes), safeUdpBytes);
  const whole = answer(zone, query.name, context);
  if (whole.length <= (transport === "tcp" ? largestBytes : udpLimit)) return whole;
  return assemble({ ...context, code: response.noError, authoritative: true, truncated: true });
}

/** The first question as it came, since the asker compares even the case of letters; `undefined` when it isn't whole. */
function questionOf(message: Buffer): Buffer | undefined {
  let end = headerBytes;
  for (let length = message[end]; length !== 0; length = message[end]) {
    // Upper bits make a pointer, and there is nothing before the question to point to.
    if (length === undefined || length > 63) return undefined;
    end += length + 1;
  }
  end += 5;
  return end <= message.length ? message.subarray(headerBytes, end) : undefined;
}

interface Query {
  readonly name: string;
  /** What the asker can do beyond RFC 1035, if it says so (EDNS, RFC 6891). */
  readonly extension: OptAnswer | undefined;
}

function decodeQuery(message: Buffer): Query | undefined {
  try {
    const packet = decode(message);
    const isExtension = (record: Answer): record is OptAnswer => record.type === "OPT";
    const extensions = (packet.additionals ?? []).filter(isExtension);
    const name = packet.questions?.[0]?.name;
    return name === undefined || extensions.length > 1 ? undefined : { name, extension: extensions[0] };
  } catch {
    return undefined;
  }
}

type Context = Pick<Reply, "id" | "flags" | "extension"> & { readonly question: Buffer };

function answer(zone: Zone, asked: string, context: Context): Buffer {
  const refuse = () => assemble({ ...context, code: response.refused });
  const type = context.question.readUInt16BE(context.question.length - 4);
  const questionClass = context.question.readUInt16BE(context.question.length - 2);
  if (!internetClasses.includes(questionClass) || zoneTransfers.includes(type)) return refuse();
  if (!isSpelled(asked, context.question)) return refuse();
  const name = canonicalName(asked);
  const any = type === anyType;
  // "Everything" gets as little as possible: large answers are for attackers (RFC 8482, sections 4.1 and 4.2).
  const found = lookup(zone, name, any ? "CNAME" : (typeTexts.get(type) ?? "other"));
  if (found.outcome === "outside") return refuse();
  const asAsked = (set: RecordSet) => (set.name === name ? { ...set, name: asked } : set);
  const answers = found.answers.map(asAsked).flatMap(toAnswers);
  const minimal = any && found.outcome === "empty";
  return assemble({
    ...context,
    code: found.outcome === "absent" ? response.nameError : response.noError,
    authoritative: true,
    answers: minimal ? [minimalAnswer(asked)] : answers,
    authorities: minimal ? [] : authoritiesOf(zone, found),
    additionals: gluesOf(zone, found),
  });
}

/** False for labels that hold a dot or broken UTF-8: as text they can't be told from others. */
function isSpelled(name: string, question: Buffer): boolean {
  const labels = name === "." ? [] : name.split(".").map((label) => Buffer.from(label));
  const spelled = Buffer.concat([
    ...labels.flatMap((label) => [Buffer.of(label.length), label]),
    Buffer.of(0),
  ]);
  return spelled.equals(question.subarray(0, -4));
}

/** For how long the absence may be remembered: the SOA's minimum, as its time to live (RFC 2308, section 3). */
function authoritiesOf(zone: Zone, { outcome }: Lookup): Answer[] {
  if (outcome !== "absent" && outcome !== "empty") return [];
  const minimum = Number(zone.soa.values[0]?.split(" ").at(-1));
  return toAnswers({ ...zone.soa, ttlSeconds: minimum });
}

function gluesOf(zone: Zone, { answers }: Lookup): Answer[] {
  const servers = answers.filter((set) => set.type === "NS").flatMap((set) => set.values);
  return servers.flatMap((server) => [...(zone.names.get(server)?.values() ?? [])].flatMap(toAnswers));
}

const anyType = 255;
/** IXFR and AXFR. */
const zoneTransfers = [251, 252];
const typeTexts: ReadonlyMap<number, string> = new Map([
  [1, "A"],
  [2, "NS"],
  [5, "CNAME"],
  [6, "SOA"],
  [16, "TXT"],
  [28, "AAAA"],
]);

function minimalAnswer(name: string): Answer {
  return { name, type: "HINFO", ttl: 3600, data: { cpu: "RFC8482", os: "" } };
}

interface Reply {
  readonly id: number;
  /** Of the request: the operation and "recursion desired" are repeated. */
  readonly flags: number;
  readonly question: Buffer | undefined;
  readonly extension?: OptAnswer | undefined;
  readonly code: number;
  readonly extended?: number;
  readonly authoritative?: boolean;
  readonly truncated?: boolean;
  readonly answers?: Answer[];
  readonly authorities?: Answer[];
  readonly additionals?: Answer[];
}

function assemble(reply: Reply): Buffer {
  const flags =
    (reply.flags & (RECURSION_DESIRED | operationMask)) |
    (reply.authoritative ? AUTHORITATIVE_ANSWER : 0) |
    (reply.truncated ? TRUNCATED_RESPONSE : 0) |
    reply.code;
  const message = encode({
    type: "response",
    id: reply.id,
    flags,
    questions: [],
    answers: reply.answers ?? [],
    authorities: reply.authorities ?? [],
    additionals: [...(reply.additionals ?? []), ...(reply.extension ? [extensionFor(reply)] : [])],
  });
  if (!reply.question) return message;
  // The names in the message are all spelled out, so nothing points across the place where the question goes.
  const whole = Buffer.concat([
    message.subarray(0, headerBytes),
    reply.question,
    message.subarray(headerBytes),
  ]);
  whole.writeUInt16BE(1, 4);
  return whole;
}

function extensionFor({ extension, extended }: Reply): OptAnswer {
  return {
    type: "OPT",
    name: ".",
    udpPayloadSize: safeUdpBytes,
    extendedRcode: extended ?? 0,
    ednsVersion: 0,
    // "DNSSEC OK" is repeated, though there are no signatures (RFC 3225, section 3).
    flags: extension?.flag_do ? 0x8000 : 0,
    flag_do: extension?.flag_do ?? false,
    options: [],
  };
}
