/** What one check of `rowhouse doctor` found. */
export interface Finding {
  readonly check: string;
  readonly status: "ok" | "warn" | "fail";
  /** What was found, one clause. */
  readonly detail: string;
  /** What to do about it; absent when all is well. */
  readonly remedy?: string;
}

/** Nothing to do. */
export function ok(check: string, detail: string): Finding {
  return { check, status: "ok", detail };
}

/** Works, but not as well or as long as it should. */
export function warn(check: string, detail: string, remedy: string): Finding {
  return { check, status: "warn", detail, remedy };
}

/** `rowhouse up` will not work, or has broken. */
export function fail(check: string, detail: string, remedy: string): Finding {
  return { check, status: "fail", detail, remedy };
}
