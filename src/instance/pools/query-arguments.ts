import type pg from "pg";
import { fault } from "../../core/error.ts";
import { readSessionEffect, type SessionEffect } from "../../core/sql/session-guard.ts";
import type { QueryConfig } from "./tenant-query.ts";

/** The forms in which `pg` takes a query. */
export type QueryInput = string | (Omit<QueryConfig, "rowMode"> & { readonly rowMode?: string | undefined });

/** One form of them all. @throws TypeError for what is no query */
export function readQuery(input: QueryInput, values: readonly unknown[] | undefined): QueryConfig {
  if (typeof input === "string") return values === undefined ? { text: input } : { text: input, values };
  if (typeof input !== "object" || input === null)
    throw new TypeError("A query is a string or an object with `text`");
  const config = input as QueryConfig;
  return values === undefined ? config : { ...config, values };
}

/** True for a cursor, a stream and whatever else runs itself on a connection. */
export function isSubmittable(input: unknown): input is pg.Submittable {
  return typeof (input as { submit?: unknown } | null)?.submit === "function";
}

const remembered = new Map<string, SessionEffect>();
const rememberedLimit = 2_000;

/**
 * What the SQL would do to a shared session.
 * @throws E_STATEMENT_REFUSED when it must not run there
 */
export function guardSession(text: unknown): SessionEffect {
  if (typeof text !== "string")
    throw fault("E_STATEMENT_REFUSED", "What has no SQL text can't run on a shared connection.");
  let effect = remembered.get(text);
  if (!effect) {
    effect = readSessionEffect(text);
    if (remembered.size >= rememberedLimit) remembered.clear();
    remembered.set(text, effect);
  }
  if (effect.refusal !== undefined) throw fault("E_STATEMENT_REFUSED", `The statement ${effect.refusal}.`);
  return effect;
}
