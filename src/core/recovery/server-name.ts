import { isServerName } from "../database/server-name.ts";

/**
 * Under which name a region goes on with another one's server, after that region's failover number `epoch`: its own
 * servers and those of an earlier failover keep theirs.
 */
export function recoveredServerName(source: string, server: string, epoch: number): string {
  const whole = `${source}-${server}${epoch > 1 ? `-${epoch}` : ""}`;
  return isServerName(whole) ? whole : `recovered-${fingerprint(whole)}`;
}

/** FNV-1a in 64 bits (RFC 9923): it tells names apart, and keeps no secret. */
function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}
