import { fault } from "../error.ts";

/** The longest key of an object, in bytes of UTF-8. */
const maximumObjectKeyBytes = 512;

/** S3's limit for a signed URL: seven days. */
const maximumUrlSeconds = 604_800;

// A backslash is a separator somewhere, control characters break logs and headers, and the last two are no characters
// of XML, in which S3 lists keys.
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it refuses
const forbiddenCharacters = /[\\\u0000-\u001f\u007f\ufffe\uffff]/;

/**
 * Refuses what is not a plain relative path: it would mean something else to a file system, a URL or S3's console.
 * @throws E_OBJECT_KEY
 */
export function checkObjectKey(key: string): void {
  const problem = keyProblem(key);
  if (problem) throw fault("E_OBJECT_KEY", `The key ${JSON.stringify(key.slice(0, 80))} ${problem}.`);
}

function keyProblem(key: string): string | undefined {
  if (key === "") return "is empty";
  if (!key.isWellFormed()) return "is not valid Unicode";
  if (new TextEncoder().encode(key).length > maximumObjectKeyBytes) {
    return `is longer than ${maximumObjectKeyBytes} bytes`;
  }
  if (forbiddenCharacters.test(key)) return "has a backslash or a control character";
  const segments = key.split("/");
  if (segments.includes("")) return "starts or ends with a slash, or has two in a row";
  if (segments.some((segment) => segment === "." || segment === "..")) return 'has a "." or ".." segment';
  return undefined;
}

/** @throws E_OBJECT_KEY for a prefix that no key could have */
export function checkObjectPrefix(prefix: string): void {
  if (!prefix.isWellFormed() || new TextEncoder().encode(prefix).length > maximumObjectKeyBytes) {
    throw fault("E_OBJECT_KEY", "The prefix is longer than a key, or not valid Unicode.");
  }
}

/** @throws E_OBJECT_KEY for a prefix that might catch a neighbour's keys, or everything */
export function checkPurgePrefix(prefix: string): void {
  checkObjectPrefix(prefix);
  if (!prefix.endsWith("/")) throw fault("E_OBJECT_KEY", "The prefix to purge does not end in a slash.");
}

/** The most that one page of a listing holds (S3's limit). */
const maximumPageLength = 1000;

/** The length of a page. @throws E_ARGUMENT when it is not a whole number above 0 */
export function pageLength(limit: number = maximumPageLength): number {
  if (!(Number.isInteger(limit) && limit >= 1))
    throw fault("E_ARGUMENT", `The limit ${limit} is not a whole number above 0.`);
  return Math.min(limit, maximumPageLength);
}

/** The type of an object that was put without one. */
export const defaultContentType = "application/octet-stream";

/** A media type with parameters (RFC 9110, 8.3), so that it can be sent as a header. */
const contentTypePattern =
  /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;\s*[\w!#$&^.+-]+=([\w!#$&^.+-]+|"[\w !#$&^.,:;=?@'()*/+-]*"))*$/;

/** @throws E_ARGUMENT when the text is no media type */
export function checkContentType(contentType: string): void {
  if (contentType.length > 255 || !contentTypePattern.test(contentType)) {
    throw fault(
      "E_ARGUMENT",
      `The content type ${JSON.stringify(contentType.slice(0, 80))} is not a media type.`,
    );
  }
}

/** @throws E_ARGUMENT when a URL would never be valid, or longer than S3 allows */
export function checkUrlExpiry(expiresInSeconds: number): void {
  if (
    !(Number.isInteger(expiresInSeconds) && expiresInSeconds >= 1 && expiresInSeconds <= maximumUrlSeconds)
  ) {
    throw fault(
      "E_ARGUMENT",
      `A URL is valid for 1 to ${maximumUrlSeconds} seconds, not ${expiresInSeconds}.`,
    );
  }
}

/** A range of an object's bytes, both ends inclusive. */
interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** @throws E_ARGUMENT when it is no range of any object */
export function checkRange(range: ByteRange): void {
  const { start, end } = range;
  const wholeNumbers = Number.isSafeInteger(start) && Number.isSafeInteger(end);
  if (!wholeNumbers || start < 0 || end < start)
    throw fault("E_ARGUMENT", `${start}–${end} is not a range of bytes.`);
}

/**
 * The bytes that a range names in an object of `size` bytes, both ends inclusive.
 * @throws E_ARGUMENT when it starts at or past the end, or is no range
 */
export function clipRange(range: ByteRange, size: number): ByteRange {
  checkRange(range);
  if (range.start >= size) throw rangeFault(range);
  return { start: range.start, end: Math.min(range.end, size - 1) };
}

/** E_ARGUMENT for a range that starts at or past the object's end. */
export function rangeFault({ start, end }: ByteRange): Error {
  return fault("E_ARGUMENT", `The range ${start}–${end} starts past the object's end.`);
}
