import type { Answer } from "dns-packet";
import type { RecordSet } from "../../core/dns/zone.ts";

/** The longest piece of text in a TXT record; longer texts are several pieces. */
const textPieceBytes = 255;

/** The records as dns-packet wants them. */
export function toAnswers(set: RecordSet): Answer[] {
  return set.values.map((value) => toAnswer(set, value));
}

function toAnswer({ name, type, ttlSeconds: ttl }: RecordSet, value: string): Answer {
  switch (type) {
    case "TXT":
      return { name, type, ttl, data: textPieces(value) };
    case "SOA":
      return { name, type, ttl, data: startOfAuthority(value) };
    default:
      return { name, type, ttl, data: value };
  }
}

function textPieces(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const count = Math.ceil(bytes.length / textPieceBytes);
  return Array.from({ length: count }, (_, index) =>
    bytes.subarray(index * textPieceBytes, (index + 1) * textPieceBytes),
  );
}

function startOfAuthority(value: string) {
  const [mname = "", rname = "", ...numbers] = value.split(" ");
  const [serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0] = numbers.map(Number);
  return { mname, rname, serial, refresh, retry, expire, minimum };
}
