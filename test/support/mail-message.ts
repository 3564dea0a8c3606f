/** A message as it arrived. */
export interface ArrivedMessage {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as sent. */
  readonly source: string;
  /** Decoded. */
  readonly subject: string;
  /** The header's value, unfolded; `undefined` when there is none. */
  header(name: string): string | undefined;
}

/** Reads what was handed over: the bare addresses of sender and recipients, and headers with a body. */
export function readMessage(options: {
  readonly from: string;
  readonly to: readonly string[];
  readonly source: string;
}): ArrivedMessage {
  const { source } = options;
  const headers = source
    .slice(0, source.indexOf("\r\n\r\n"))
    .replace(/\r\n[ \t]+/g, " ")
    .split("\r\n");
  const header = (name: string) =>
    headers.find((line) => line.toLowerCase().startsWith(`${name.toLowerCase()}: `))?.slice(name.length + 2);
  return { ...options, subject: decodeWords(header("subject") ?? ""), header };
}

/** Encoded words of RFC 2047; the space between two of them is none. */
function decodeWords(text: string): string {
  const joined = text.replace(/(\?=)\s+(=\?)/g, "$1$2");
  return joined.replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, encoding: string, content: string) => {
    if (encoding.toLowerCase() === "b") return Buffer.from(content, "base64").toString();
    const bytes = content
      .replaceAll("_", " ")
      .replace(/=([0-9A-F]{2})/gi, (__, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    return Buffer.from(bytes, "latin1").toString();
  });
}
