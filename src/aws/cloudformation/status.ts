import type { RegionStack } from "../../ports/stacks.ts";

/** What CloudFormation's status of a stack means. `REVIEW_IN_PROGRESS`: a change set was made, and no stack. */
export function meaningOf(status: string | undefined): RegionStack["status"] {
  if (status === undefined || status === "DELETE_COMPLETE" || status === "REVIEW_IN_PROGRESS")
    return "absent";
  if (status === "DELETE_IN_PROGRESS") return "deleting";
  if (status.endsWith("_IN_PROGRESS")) return "creating";
  return ["CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"].includes(status) ? "ready" : "failed";
}

/** Such a stack never was: what had been made is rolled back, and it can only be deleted. */
export function wasNeverCreated(status: string | undefined): boolean {
  return status !== undefined && ["CREATE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"].includes(status);
}
