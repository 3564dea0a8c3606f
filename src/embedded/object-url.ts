import { createHmac, timingSafeEqual } from "node:crypto";

/** Below this path a tenant's host serves objects to whoever has a signed link. */
export const objectsPath = "/_rowhouse/objects/";

/** The secret that links are signed with: the same in all processes of a region. */
export type SigningKey = Uint8Array | string;

/** A path and query that read the object until `expiresAtSeconds` (Unix time). */
export function signObjectPath(key: string, expiresAtSeconds: number, signingKey: SigningKey): string {
  const path = key.split("/").map(encodeURIComponent).join("/");
  const signature = sign(key, expiresAtSeconds, signingKey).toString("base64url");
  return `${objectsPath}${path}?expires=${expiresAtSeconds}&signature=${signature}`;
}

/**
 * The key that a link gives access to and the Unix time when that ends; `undefined` when the link was changed or
 * has expired.
 */
export function verifyObjectPath(
  path: string,
  nowSeconds: number,
  signingKey: SigningKey,
): { readonly key: string; readonly expiresAtSeconds: number } | undefined {
  const [pathname = "", query = ""] = path.split("?", 2);
  const parameters = new URLSearchParams(query);
  const expires = parameters.get("expires") ?? "";
  const signature = Buffer.from(parameters.get("signature") ?? "", "base64url");
  const key = decode(pathname.slice(objectsPath.length));
  if (key === undefined || !/^\d{1,12}$/.test(expires)) return undefined;
  const expiresAtSeconds = Number(expires);
  const expected = sign(key, expiresAtSeconds, signingKey);
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return undefined;
  return nowSeconds < expiresAtSeconds ? { key, expiresAtSeconds } : undefined;
}

function sign(key: string, expiresAtSeconds: number, signingKey: SigningKey): Buffer {
  return createHmac("sha256", signingKey).update(`GET\n${expiresAtSeconds}\n${key}`).digest();
}

function decode(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
