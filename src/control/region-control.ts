import type { ErrorJson } from "../core/error.ts";
import type { OperationKind } from "../core/tenant/operation.ts";
import type { TenantProfile } from "../core/tenant/tenant.ts";
import type { BalancerTargetHealth } from "../ports/balancer.ts";
import type { DatabaseServerStatus } from "../ports/databases.ts";
import type { MailRecord } from "../ports/mail.ts";
import type { BackupControl, BackupStreams } from "./backup/control.ts";
import type { CloseControl } from "./close/control.ts";
import type { DatabaseControl } from "./database/control.ts";
import type { TenantMigration } from "./migration/migrate-tenants.ts";
import type { MoveControl } from "./move/control.ts";
import type { RecoveryControl } from "./recovery/control.ts";
import type { ResidencyControl } from "./residency/control.ts";

/** What someone who signs up says. Goes to the region that they chose, and nowhere else. */
export interface SignupInput {
  readonly slug: string;
  readonly name: string;
  readonly region: string;
  readonly plan: string;
  readonly email: string;
}

export interface SignupStepStatus {
  readonly name: string;
  readonly title: string;
  readonly state: "waiting" | "running" | "done" | "not-configured" | "failed" | "undone";
}

export interface SignupStatus {
  readonly id: string;
  readonly slug: string;
  readonly region: string;
  readonly state: "running" | "undoing" | "completed" | "failed";
  readonly steps: readonly SignupStepStatus[];
  readonly startedAt: string;
  readonly error?: ErrorJson;
}

export interface InstanceStatus {
  readonly id: string;
  readonly pid: number | null;
  readonly zone: string;
  readonly state: string;
  readonly health: BalancerTargetHealth["state"] | "unknown";
  readonly release: string | null;
  readonly address: string | null;
  readonly market: string;
}

export interface BackupProblem {
  readonly slug: string;
  /** Null when none could be taken. */
  readonly backup: string | null;
  readonly error: ErrorJson;
}

export interface RegionStatus {
  readonly name: string;
  readonly jurisdiction: string;
  /** `fenced`: it failed over, and must serve nobody. */
  readonly status: "starting" | "ready" | "degraded" | "down" | "stopped" | "fenced";
  /** Why instances don't come up, while they don't. */
  readonly problem: string | null;
  readonly controller: { readonly pid: number | null };
  readonly balancer: { readonly url: string; readonly pid: number | null };
  readonly databases: readonly DatabaseServerStatus[];
  readonly fleets: readonly {
    readonly name: string;
    readonly min: number;
    readonly max: number;
    readonly desired: number;
    readonly instances: readonly InstanceStatus[];
  }[];
  /** What is wrong with backups: attempts that failed, and backups that a trial restore did not give back. */
  readonly backupProblems?: readonly BackupProblem[];
}

/** What is being done to a tenant as a whole. */
export interface TenantOperationDocument {
  readonly kind: OperationKind;
  /** ISO 8601. */
  readonly startedAt: string;
}

/** What the control plane asks of its arm in a region. Everything that says who a tenant is stays behind it. */
export interface RegionControl
  extends RegionCore,
    RecoveryControl,
    CloseControl,
    BackupControl,
    BackupStreams,
    ResidencyControl,
    MoveControl,
    DatabaseControl {}

/** What every region does, whatever else is done to tenants. */
export interface RegionCore {
  /** Returns when the slug is reserved. @throws E_TENANT_SLUG_TAKEN and all that a first step can refuse */
  startSignup(signup: {
    readonly input: SignupInput;
    readonly idempotencyKey?: string;
  }): Promise<SignupStatus>;
  /** `undefined` when this region has no such sign-up. */
  signup(query: { readonly id: string }): Promise<SignupStatus | undefined>;
  /** The next status that differs from one with `seen` finished steps, or the same one after `timeoutSeconds`. */
  waitForSignup(query: {
    readonly id: string;
    readonly seen: number;
    readonly timeoutSeconds: number;
  }): Promise<SignupStatus | undefined>;
  profile(query: { readonly slug: string }): Promise<TenantProfile | undefined>;
  profiles(): Promise<readonly TenantProfile[]>;
  /** What is being done to the tenant as a whole, if anything is. */
  operation(query: { readonly slug: string }): Promise<TenantOperationDocument | undefined>;
  suspend(command: { readonly slug: string }): Promise<void>;
  resume(command: { readonly slug: string }): Promise<void>;
  /** Brings these tenants to the newest schema of the region's release. @throws E_RELEASE_MISSING */
  migrate(command: {
    readonly slugs: readonly string[];
    readonly concurrency: number;
  }): Promise<readonly TenantMigration[]>;
  /** The newest schema version of the region's release. @throws E_RELEASE_MISSING */
  schemaTarget(): Promise<{ readonly version: number }>;
  outbox(query: { readonly tenant?: string; readonly limit?: number }): Promise<readonly MailRecord[]>;
  status(): Promise<RegionStatus>;
}
