/** What a code means to whoever meets it. `kind` decides the class and the exit code, `status` the HTTP answer. */
export interface ErrorEntry {
  readonly kind: "user" | "system";
  /** HTTP status of the problem document (RFC 9457). */
  readonly status: number;
  /** One plain sentence: what is wrong, for `docs/errors.md`. */
  readonly reason: string;
  /** What the reader can do about it; ends every message. */
  readonly remedy: string;
}
