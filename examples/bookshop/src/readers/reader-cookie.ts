import { randomInt } from "node:crypto";
import { getCookie, setCookie } from "hono/cookie";
import type { ShopContext } from "../environment.ts";
import { readReader } from "../input.ts";

const cookieName = "reader";
const yearSeconds = 365 * 24 * 60 * 60;

/** Who reads in this browser; `undefined` until they rate a book or say their name. */
export function currentReader(context: ShopContext): string | undefined {
  try {
    return readReader(getCookie(context, cookieName));
  } catch {
    // A cookie that was tampered with is as good as none.
    return undefined;
  }
}

export function rememberReader(context: ShopContext, reader: string): void {
  setCookie(context, cookieName, reader, { path: "/", httpOnly: true, sameSite: "Lax", maxAge: yearSeconds });
}

/** The browser's reader, or a new guest that it remembers from now on. */
export function ensureReader(context: ShopContext): string {
  const known = currentReader(context);
  if (known !== undefined) return known;
  const guest = `Guest ${randomInt(100_000, 1_000_000)}`;
  rememberReader(context, guest);
  return guest;
}
