import type { RegionStatus } from "./region-control.ts";

/** What runs, where, and how it is: the answer of `rowhouse status` and of `GET /v1/status`. */
export interface StatusDocument {
  /** Version of Rowhouse itself. */
  readonly version: string;
  /** The supervisor's process. */
  readonly pid: number;
  /** Where browsers enter: sign-up page, console, tenants. */
  readonly url: string;
  readonly apiUrl: string;
  readonly regions: readonly RegionStatus[];
}
