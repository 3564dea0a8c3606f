import { randomUUID } from "node:crypto";
import type { AuditEntry } from "../../src/control/audit.ts";
import type { BackupDocument } from "../../src/control/backup/document.ts";
import type { CertificateDocument } from "../../src/control/close/control.ts";
import type { FailedOver } from "../../src/control/database/control.ts";
import type { Directory } from "../../src/control/directory.ts";
import type { TenantMigration } from "../../src/control/migration/migrate-tenants.ts";
import type { MoveCommand } from "../../src/control/move/control.ts";
import type { MoveStatus } from "../../src/control/move/status.ts";
import type {
  RegionControl,
  RegionStatus,
  SignupInput,
  SignupStatus,
} from "../../src/control/region-control.ts";
import type { Canaries } from "../../src/control/residency/control.ts";
import { digestOf } from "../../src/control/residency/digest.ts";
import type { SearchOrder, SearchReport } from "../../src/control/residency/search.ts";
import type { Inventory } from "../../src/core/closing/certificate.ts";
import { fault } from "../../src/core/error.ts";
import type { TenantEvent } from "../../src/core/tenant/lifecycle.ts";
import type { TenantProfile } from "../../src/core/tenant/tenant.ts";
import type { DatabaseServerStatus } from "../../src/ports/databases.ts";
import type { MailRecord } from "../../src/ports/mail.ts";
import { MemoryRegionMoves } from "./memory-region/moves.ts";
import type { MemoryRegionPlace } from "./memory-region/place.ts";
import { MemoryRegionSignups } from "./memory-region/signups.ts";

/** A region that keeps everything in memory but the directory's rows. */
export class MemoryRegion implements RegionControl {
  /** Every call fails as one to a controller that died. */
  down = false;
  /** Everything that any region's tenants have is seen here too. */
  leaks = false;
  /** Of its release. */
  schemaVersion = 1;
  /** `close` waits for it after the directory says "closing". */
  beforeEndOfClose: Promise<void> = Promise.resolve();
  /** What a test stops, steps and lets fail. */
  readonly signups: MemoryRegionSignups;
  readonly #name: string;
  readonly #directory: Directory;
  readonly #moves: MemoryRegionMoves;
  readonly #profiles = new Map<string, TenantProfile>();
  readonly #canaries = new Set<string>();
  readonly #certificates = new Map<string, CertificateDocument>();
  readonly #outbox: MailRecord[] = [];
  /** Of its database server's primary and standby. */
  #zones: readonly [string, string] = ["a", "b"];

  constructor(place: MemoryRegionPlace) {
    this.#name = place.name;
    this.#directory = place.directory;
    this.#moves = new MemoryRegionMoves(place);
    this.signups = new MemoryRegionSignups(place, (input) => this.#activate(input));
  }

  async databases(): Promise<readonly DatabaseServerStatus[]> {
    this.#answer();
    const node = { host: "127.0.0.1", port: 8100, pid: 7, status: "running" } as const;
    const [primary, standby] = this.#zones;
    return [
      {
        name: "shared-1",
        status: "available",
        primary: { ...node, zone: primary },
        standby: { ...node, zone: standby, lagBytes: 0 },
      },
    ];
  }

  async failOverDatabase({ server }: { server: string }): Promise<FailedOver> {
    this.#answer();
    if (server !== "shared-1") throw fault("E_NOT_FOUND", `There is no database server "${server}".`);
    const [from, to] = this.#zones;
    this.#zones = [to, from];
    return { from: { zone: from }, to: { zone: to }, durationMs: 120 };
  }

  async operation(): Promise<undefined> {
    return undefined;
  }

  async migrate({ slugs }: { slugs: readonly string[] }): Promise<readonly TenantMigration[]> {
    this.#answer();
    await this.#directory.setSchemaVersions(slugs, this.schemaVersion);
    return slugs.map((slug) => ({ slug, outcome: "applied" }));
  }

  async schemaTarget(): Promise<{ version: number }> {
    this.#answer();
    return { version: this.schemaVersion };
  }

  async startSignup(signup: { input: SignupInput; idempotencyKey?: string }): Promise<SignupStatus> {
    this.#answer();
    return this.signups.start(signup.input, signup.idempotencyKey);
  }

  async signup({ id }: { id: string }): Promise<SignupStatus | undefined> {
    this.#answer();
    return this.signups.find(id);
  }

  async waitForSignup(query: {
    id: string;
    seen: number;
    timeoutSeconds: number;
  }): Promise<SignupStatus | undefined> {
    this.#answer();
    const status = await this.signups.wait(query);
    this.#answer();
    return status;
  }

  async profile({ slug }: { slug: string }): Promise<TenantProfile | undefined> {
    this.#answer();
    return this.#profiles.get(slug);
  }

  async profiles(): Promise<readonly TenantProfile[]> {
    this.#answer();
    return [...this.#profiles.values()];
  }

  suspend({ slug }: { slug: string }): Promise<void> {
    return this.#apply(slug, "suspend");
  }

  resume({ slug }: { slug: string }): Promise<void> {
    return this.#apply(slug, "resume");
  }

  async close(command: { slug: string; askedBy: string; withoutExport: boolean }) {
    const { slug, askedBy, withoutExport } = command;
    await this.#apply(slug, "beginClose");
    await this.beforeEndOfClose;
    this.#profiles.delete(slug);
    const entry = await this.#directory.apply(slug, "endClose");
    const at = new Date().toISOString();
    const certificate: CertificateDocument = {
      version: 1,
      slug,
      region: this.#name,
      jurisdiction: "EU",
      plan: entry.plan,
      isolation: entry.isolation,
      createdAt: entry.createdAt.toISOString(),
      askedBy,
      askedAt: at,
      completedAt: at,
      removed: { profile: { counts: { profiles: 1 } } },
      elsewhere: [],
      export: { kept: false, reason: withoutExport ? "Nobody wanted one." : "Memory keeps none." },
      remainders: [],
      sha256: "",
      signature: { algorithm: "Ed25519", publicKey: "", value: "" },
      genuine: true,
    };
    this.#certificates.set(slug, certificate);
    return certificate;
  }

  async startMove(command: MoveCommand): Promise<MoveStatus> {
    this.#answer();
    return this.#moves.start(command);
  }

  async move({ id }: { id: string }): Promise<MoveStatus | undefined> {
    this.#answer();
    return this.#moves.find(id);
  }

  waitForMove(query: { id: string }): Promise<MoveStatus | undefined> {
    return this.move(query);
  }

  async audit({ slug }: { slug?: string }): Promise<readonly AuditEntry[]> {
    this.#answer();
    return this.#moves.audit.filter((entry) => slug === undefined || entry.tenant === slug);
  }

  readonly prepareArrival = refuseArrival;
  readonly receiveFile = refuseArrival;
  readonly removeArrivedFiles = refuseArrival;
  readonly completeArrival = refuseArrival;
  readonly revertArrival = refuseArrival;
  readonly welcomeArrival = refuseArrival;
  readonly endArrival = refuseArrival;
  readonly abandonArrival = refuseArrival;

  async certificate({ slug }: { slug: string }): Promise<CertificateDocument | undefined> {
    this.#answer();
    return this.#certificates.get(slug);
  }

  async takeOver(): Promise<never> {
    throw fault("E_INTERNAL", "Memory takes no lost region over.");
  }

  async keepAddresses(): Promise<void> {}

  async dropEmptyServers(): Promise<readonly string[]> {
    return [];
  }

  async leftovers(): Promise<Inventory> {
    return {};
  }

  async prepareResidencyCheck(): Promise<void> {
    this.#answer();
  }

  async plantCanaries({ canaries }: { canaries: Canaries }): Promise<void> {
    this.#answer();
    for (const canary of Object.values(canaries)) this.#canaries.add(digestOf(canary));
  }

  /** Sees what was planted here, and what a test says in `leaks`. */
  async searchCanaries(order: SearchOrder): Promise<SearchReport> {
    this.#answer();
    const at = { store: "memory", place: "here", form: "text" };
    const seen = order.digests.filter((digest) => this.#canaries.has(digest) || this.leaks);
    return {
      searched: [{ store: "memory", places: 1, bytes: 1 }],
      unreadable: [],
      sightings: seen.map((what) => ({ what, ...at })),
    };
  }

  async removeCanaries(): Promise<void> {
    this.#canaries.clear();
  }

  async outbox(query: { tenant?: string; limit?: number }): Promise<readonly MailRecord[]> {
    this.#answer();
    return this.#outbox
      .filter((mail) => query.tenant === undefined || mail.tenant === query.tenant)
      .slice(0, query.limit);
  }

  /** Takes nothing, since there is nothing. */
  async backUp({ slug }: { slug: string }): Promise<BackupDocument> {
    this.#answer();
    return {
      ...{ id: "b1", slug, region: this.#name, reason: "manual", takenAt: new Date().toISOString() },
      ...{ schemaVersion: 0, rows: 0, files: 0, bytes: 0, copiedAt: null, verifiedAt: null, failure: null },
    };
  }

  readonly backups = refuseData;
  readonly startRestore = refuseData;
  readonly waitForRestore = refuseData;
  readonly exportArchive = refuseData;
  readonly importArchive = refuseData;

  async status(): Promise<RegionStatus> {
    this.#answer();
    return {
      name: this.#name,
      jurisdiction: "EU",
      status: "ready",
      problem: null,
      controller: { pid: 1 },
      balancer: { url: "http://127.0.0.1:8090", pid: 2 },
      databases: await this.databases(),
      fleets: [
        {
          name: "app",
          min: 2,
          max: 6,
          desired: 2,
          instances: [
            {
              id: "i-1",
              pid: 3,
              zone: "a",
              state: "running",
              health: "healthy",
              release: "abcdef123456",
              address: "127.0.0.1:8200",
              market: "on-demand",
            },
          ],
        },
      ],
    };
  }

  async #activate({ slug, name, email }: SignupInput): Promise<void> {
    await this.#directory.place(slug, { server: "shared-1", schemaVersion: 1 });
    await this.#directory.apply(slug, "activate");
    this.#profiles.set(slug, { slug, name, administratorEmail: email, settings: {} });
    this.#outbox.unshift({
      id: randomUUID(),
      tenant: slug,
      from: "welcome@bookshop.example",
      to: email,
      subject: `${name} is ready`,
      text: "Hello",
      status: "not-configured",
      createdAt: new Date(),
    });
  }

  async #apply(slug: string, event: TenantEvent): Promise<void> {
    this.#answer();
    await this.#directory.apply(slug, event);
  }

  #answer(): void {
    if (this.down) throw fault("E_REGION_UNAVAILABLE");
  }
}

async function refuseArrival(): Promise<never> {
  throw new Error("A region in memory receives no tenant from elsewhere.");
}

/** What a tenant's data is, how it is kept and comes back, is a matter of real databases. */
async function refuseData(): Promise<never> {
  throw fault("E_REGION_UNAVAILABLE", "A region in memory has no data.");
}
