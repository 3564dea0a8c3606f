import { noSuchBook, Problem, type ProblemCode } from "./problem.ts";

/** The largest value of a Postgres `integer`. */
const maximumInteger = 2_147_483_647;

const maximumJsonBytes = 64 * 1024;

/** A request's JSON object. @throws Problem INVALID_JSON, BODY_TOO_LARGE */
export async function readJsonObject(request: Request): Promise<Record<string, unknown>> {
  const bytes = await readBytes(request, maximumJsonBytes);
  try {
    const body: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    if (typeof body === "object" && body !== null && !Array.isArray(body))
      return body as Record<string, unknown>;
  } catch {
    // Answered below, like JSON that is no object.
  }
  throw new Problem(400, "INVALID_JSON", "The body must be a JSON object.");
}

/** A request's body, given up as soon as it is longer than `maximum` bytes. @throws Problem BODY_TOO_LARGE */
export async function readBytes(request: Request, maximum: number): Promise<Uint8Array> {
  const tooLarge = new Problem(
    413,
    "BODY_TOO_LARGE",
    `The body must not be larger than ${Math.round(maximum / 1024)} kB.`,
  );
  if (Number(request.headers.get("content-length") ?? 0) > maximum) throw tooLarge;
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of request.body ?? []) {
    length += chunk.length;
    if (length > maximum) throw tooLarge;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** A book's id in a path. @throws Problem INVALID_ID, or NOT_FOUND for one that no book can have */
export function readBookId(text: string | undefined): number {
  if (text === undefined || !/^\d{1,15}$/.test(text))
    throw new Problem(400, "INVALID_ID", "A book's id is a whole number.");
  const id = Number(text);
  if (id < 1 || id > maximumInteger) throw noSuchBook();
  return id;
}

/** A whole number in a query; `fallback` when it is absent. @throws Problem with `code` */
export function readNumber(
  text: string | undefined,
  rules: { name: string; code: ProblemCode; minimum: number; maximum?: number; fallback: number },
): number {
  if (text === undefined) return rules.fallback;
  const { name, code, minimum, maximum = maximumInteger } = rules;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= minimum && value <= maximum) return value;
  throw new Problem(400, code, `${name} must be a whole number from ${minimum} to ${maximum}.`);
}

/** One line of text without spaces around it. @throws Problem with `code` */
export function readText(
  value: unknown,
  rules: { name: string; code: ProblemCode; maximum: number },
): string {
  const { name, code, maximum } = rules;
  const text = typeof value === "string" ? value.trim().replace(/\s+/g, " ") : "";
  if (text === "") throw new Problem(400, code, `${name} must be a text that is not empty.`);
  if ([...text].length > maximum)
    throw new Problem(400, code, `${name} must have at most ${maximum} characters.`);
  // Postgres can store any character but this one; the others of its kind are no part of a name.
  if (/\p{Cc}/u.test(text)) throw new Problem(400, code, `${name} must not hold control characters.`);
  return text;
}

/** A reader is known by a name; a number will do for one. @throws Problem INVALID_READER */
export function readReader(value: unknown): string {
  const name = typeof value === "number" && Number.isSafeInteger(value) ? String(value) : value;
  return readText(name, { name: "reader", code: "INVALID_READER", maximum: 100 });
}

/** @throws Problem INVALID_STARS */
export function readStars(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 5) return value;
  throw new Problem(400, "INVALID_STARS", "stars must be a whole number from 1 to 5.");
}
