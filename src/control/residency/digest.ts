import { createHash } from "node:crypto";

/** What other regions are told of a canary: enough to recognize it, and not to spread it. Hex. */
export function digestOf(canary: string): string {
  return createHash("sha256").update(canary).digest("hex");
}
