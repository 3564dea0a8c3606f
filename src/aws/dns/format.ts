import type { DnsRecord } from "../../core/dns/record.ts";

/**
 * How Route 53 writes names and texts: what is not printable ASCII as a backslash and three octal digits, `*` in names
 * too. Source: Amazon Route 53 developer guide, "DNS domain name format" and "TXT record type".
 */
const escaped = /\\(?:([0-3][0-7]{2})|(.))/gs;

/** One string of a TXT record; longer texts are several that belong together (RFC 7208, section 3.3). */
const longestStringBytes = 255;

/** The name as everyone else writes it: `\052.shop.example.` is `*.shop.example`. */
export function fromRoute53Name(name: string): string {
  return withoutEscapes(name).replace(/\.$/, "");
}

/** A record's value in Route 53's form. */
export function toRoute53Value(type: DnsRecord["type"], value: string): string {
  if (type === "CNAME") return `${value}.`;
  return type === "TXT" ? quote(value) : value;
}

/** A value in our form. */
export function fromRoute53Value(type: DnsRecord["type"], value: string): string {
  if (type === "CNAME") return fromRoute53Name(value).toLowerCase();
  return type === "TXT" ? unquote(value) : value;
}

function quote(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const strings: string[] = [];
  for (let start = 0; start < bytes.length; start += longestStringBytes) {
    const part = [...bytes.subarray(start, start + longestStringBytes)].map(escapeByte).join("");
    strings.push(`"${part}"`);
  }
  return strings.join(" ");
}

function escapeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === '"' || character === "\\") return `\\${character}`;
  return byte >= 0x20 && byte < 0x7f ? character : `\\${byte.toString(8).padStart(3, "0")}`;
}

/** Also takes what others wrote: several strings, and one without quotes. */
function unquote(value: string): string {
  const strings = [...value.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, inside]) => inside ?? "");
  const text = strings.length > 0 ? strings.join("") : value;
  // Each escape and each character of Route 53's answers stands for one byte.
  return Buffer.from(withoutEscapes(text), "latin1").toString("utf8");
}

function withoutEscapes(text: string): string {
  return text.replace(escaped, (_, octal: string | undefined, other: string | undefined) =>
    octal === undefined ? (other ?? "") : String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
