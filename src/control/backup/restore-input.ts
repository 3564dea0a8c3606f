import type { ServingState } from "../relocation/relocation.ts";
import type { ArchiveSource } from "./sealed-archive.ts";

/** A restore or import into a tenant that is there, as its workflow keeps it. */
export interface RestoreInput {
  readonly id: string;
  readonly kind: "restore" | "import";
  readonly slug: string;
  readonly source: ArchiveSource;
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
  readonly name: string;
  readonly region: string;
  readonly plan: string;
  readonly email: string;
}
