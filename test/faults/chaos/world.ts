import { cp, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSystem, repository, type System } from "../../support/system.ts";
import { authorOf, type Row } from "./checker.ts";
import { type Interval, Ledger } from "./ledger.ts";

/** Regions of one jurisdiction, so that each may hold every tenant, and is the other's recovery region. */
export const regions = ["eu-west-1", "eu-central-1"] as const;
export const plans = ["starter", "business", "enterprise"] as const;

const config = `import { defineConfig } from "rowhouse";

export default defineConfig({
  app: "./app.ts",
  domain: "bookshop.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"], recovery: "eu-central-1" },
    "eu-central-1": { jurisdiction: "EU", zones: ["a", "b"], recovery: "eu-west-1" },
  },
  plans: {
    starter: { isolation: "schema" },
    business: { isolation: "database" },
    enterprise: { isolation: "server" },
  },
  fleets: { app: { min: 2, max: 2 } },
});
`;

/** A tenant that chaos writes to, and all that is known of it. */
export interface ChaosTenant {
  readonly slug: string;
  readonly ledger: Ledger;
  /** When each write was acknowledged, in milliseconds of {@link World.now}. */
  readonly acknowledgedAt: number[];
  /** Its operator suspended it: it refuses, and nobody waits for it. */
  isSuspended: boolean;
  readonly suspensions: Interval[];
  /** It is being taken back to a backup: what is read meanwhile may be of either time. */
  isRestoring: boolean;
}

/** A tenant that was made from another's backup. Nobody writes to it. */
export interface ChaosCopy {
  readonly slug: string;
  readonly of: ChaosTenant;
  /** When the backup was made. */
  readonly backup: Interval;
}

/** The system under test, its application, and everything that is known of it. */
export class World {
  readonly system: System;
  readonly application: string;
  readonly tenants: ChaosTenant[] = [];
  readonly copies: ChaosCopy[] = [];
  /** Titles that migrations wrote, once into every tenant. */
  readonly migrationTitles: string[] = [];
  readonly #startedAt = performance.now();

  constructor(system: System, application: string) {
    this.system = system;
    this.application = application;
  }

  /** Milliseconds since the beginning. */
  now(): number {
    return performance.now() - this.#startedAt;
  }

  /** A migration that would show if it were applied twice, and an index that can't be built in a transaction. */
  async addMigrations(): Promise<number> {
    const folder = join(this.application, "migrations");
    const count = (await readdir(folder)).length;
    const name = (number: number, what: string) =>
      join(folder, `${String(number).padStart(4, "0")}_${what}.sql`);
    const title = `migration/${count + 1}`;
    await writeFile(
      name(count + 1, "chaos"),
      `INSERT INTO books (title, author) VALUES ('${title}', '${authorOf(title)}');\n` +
        `ALTER TABLE books ADD COLUMN chaos_${count + 1} integer NOT NULL DEFAULT 0;\n`,
    );
    await writeFile(
      name(count + 2, "chaos_index"),
      `-- rowhouse: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS books_chaos_${count + 2} ON books (author);\n`,
    );
    this.migrationTitles.push(title);
    return count + 2;
  }

  /** Signs a tenant up, and takes what it begins with into its book. */
  async addTenant(slug: string, region: string, plan: string): Promise<void> {
    await this.system.json(
      ...["tenant", "create", slug, "--name", slug, "--region", region],
      ...["--plan", plan, "--email", `owner@${slug}.example`],
    );
    const ledger = new Ledger(slug);
    for (const { id, title } of await this.rowsOf(slug)) {
      Object.assign(ledger.begin(title, -2), { endedAt: -1, outcome: "acknowledged", id });
    }
    this.tenants.push({
      slug,
      ledger,
      acknowledgedAt: [],
      isSuspended: false,
      suspensions: [],
      isRestoring: false,
    });
  }

  /** All of a tenant's books. */
  async rowsOf(slug: string): Promise<Row[]> {
    const response = await this.system.tenant(slug, "/api/books?limit=1000000", {
      signal: AbortSignal.timeout(30_000),
    });
    if (response.status !== 200)
      throw new Error(`${slug} answers ${response.status}: ${await response.text()}`);
    return ((await response.json()) as { books: Row[] }).books;
  }

  async dispose(): Promise<void> {
    await this.system.dispose();
    await rm(this.application, { recursive: true, force: true });
  }
}

/** A copy of the bookshop on a system of its own, with so many tenants over all regions and plans. */
export async function createWorld(options: {
  /** By default that of a block of ports that nobody else takes. */
  readonly basePort?: number | undefined;
  readonly tenants: number;
}): Promise<World> {
  const application = await mkdtemp(join(tmpdir(), "rowhouse-chaos-"));
  await cp(join(repository, "examples/bookshop"), application, { recursive: true });
  await symlink(join(repository, "node_modules"), join(application, "node_modules"));
  const configFile = join(application, "rowhouse.config.ts");
  await writeFile(configFile, config);
  const world = new World(
    await createSystem({ config: configFile, basePort: options.basePort }),
    application,
  );
  try {
    await world.system.up();
    const places = Array.from({ length: options.tenants }, (_, index) => index).values();
    const signUp = async () => {
      for (const index of places)
        await world.addTenant(`t${index}`, regions[index % regions.length]!, planOf(index));
    };
    await Promise.all([signUp(), signUp(), signUp()]);
    return world;
  } catch (error) {
    await world.dispose();
    throw error;
  }
}

/** One in ten has a server of its own: two Postgres each. */
function planOf(index: number): (typeof plans)[number] {
  if (index % 10 === 2) return "enterprise";
  return index % 2 === 0 ? "starter" : "business";
}
