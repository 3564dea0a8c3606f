import type { ServingState } from "../relocation/relocation.ts";
import type { ArchiveSource } from "./sealed-archive.ts";

/** What is brought back. */
export interface RestoreOrigin {
  /** Null for an import. */
  readonly backup: string | null;
  /** The moment that its rows are of; ISO 8601. */
  readonly takenAt: string;
  /** What was asked for; null when no moment was. */
  readonly at: string | null;
}

/** A restore or import into a tenant that is there, as its workflow keeps it. */
export interface RestoreInput {
  readonly id: string;
  readonly kind: "restore" | "import";
  readonly slug: string;
  readonly source: ArchiveSource;
  readonly origin: RestoreOrigin;
  /** What it was when it was asked for. */
  readonly from: ServingState;
  /** The backup that the state before becomes. */
  readonly beforeId: string;
}

/** A restore or import that makes a new tenant. */
export interface FoundInput {
  readonly id: string;
  readonly kind: "restore" | "import";
  readonly slug: string;
  readonly source: ArchiveSource;
  readonly origin: RestoreOrigin;
  readonly name: string;
  readonly region: string;
  readonly plan: string;
  readonly email: string;
}
