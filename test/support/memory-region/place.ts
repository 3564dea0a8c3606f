import type { Directory } from "../../../src/control/directory.ts";
import type { Isolation } from "../../../src/core/tenant/tenant.ts";

/** What each part of a memory region is told. */
export interface MemoryRegionPlace {
  /** The region's. */
  readonly name: string;
  readonly directory: Directory;
  readonly isolationOf: (plan: string) => Isolation;
}
