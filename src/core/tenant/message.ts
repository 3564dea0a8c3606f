import { fault } from "../error.ts";

/** A message that an application sent with `tenant.queue.send`, as it lies in the queue. */
export interface TenantMessage {
  /** Slug of whose it is. */
  readonly tenant: string;
  readonly body: unknown;
}

/** The queue that all tenants of a region share. */
export const tenantQueue = "jobs";

/** SQS's limit, and so every engine's. */
const longestMessageBytes = 256 * 1024;

/** The text of a message. @throws E_ARGUMENT when JSON can't hold the body, or it is longer than 256 kB */
export function writeTenantMessage(message: TenantMessage): string {
  let text: string;
  try {
    text = JSON.stringify({ tenant: message.tenant, body: message.body ?? null });
  } catch (cause) {
    throw fault("E_ARGUMENT", "The message's body can't be written as JSON.", { cause });
  }
  if (new TextEncoder().encode(text).length <= longestMessageBytes) return text;
  throw fault("E_ARGUMENT", "The message's body is longer than 256 kB.");
}

/** The message in a text; `undefined` when it is something else. */
export function readTenantMessage(text: string): TenantMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { tenant, body } = value as Partial<TenantMessage>;
  return typeof tenant === "string" && "body" in value ? { tenant, body } : undefined;
}
