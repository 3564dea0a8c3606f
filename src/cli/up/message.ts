import type { UpProgress, UpSummary } from "../../control/up.ts";
import type { ErrorJson } from "../../core/error.ts";

/** What a detached `up` tells the process that waits for it. */
export type UpMessage =
  | { readonly type: "progress"; readonly event: UpProgress }
  | { readonly type: "ready"; readonly summary: UpSummary }
  | { readonly type: "failed"; readonly error: ErrorJson };
