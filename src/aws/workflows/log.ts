export type WorkflowLog = (entry: {
  readonly level: "info" | "warn" | "error";
  readonly message: string;
}) => void;

/** What was thrown, with its stack where it has one. */
export function describeError(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}
