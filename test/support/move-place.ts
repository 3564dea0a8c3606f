import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inject } from "vitest";
import type { TestDatabase } from "./database.ts";
import {
  createDirectoryWithNames,
  createRegionDatabase,
  type ProcessEnd,
  pointsTable,
  runProgram,
} from "./death-ground.ts";
import type { MoveProcessOptions } from "./move-process.ts";

const tables = `
  CREATE TABLE entries (id int PRIMARY KEY, key text);
  CREATE TABLE keyless (id int);
  CREATE TABLE numbered (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v int);
  INSERT INTO numbered (v) SELECT generate_series(1, 100);`;

const config = {
  app: "./app.ts",
  domain: "bookshop.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "eu-north-1": { jurisdiction: "EU", zones: ["a", "b"] },
  },
  plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
} satisfies MoveProcessOptions["config"];

export interface MoveWish extends Pick<MoveProcessOptions, "slug" | "from" | "to" | "attempt" | "fails"> {}

export interface Home {
  readonly state: string;
  readonly region: string;
  readonly plan: string;
}

interface Location {
  readonly database: string;
  readonly schema: string;
  readonly app_role: string;
}

/** Two regions and a directory of their own, in which processes move a tenant, and die. */
export class MovePlace {
  readonly directory: TestDatabase;
  /** Control databases by name. */
  readonly regions: ReadonlyMap<string, TestDatabase>;
  readonly #folder: string;

  private constructor(directory: TestDatabase, regions: ReadonlyMap<string, TestDatabase>, folder: string) {
    this.directory = directory;
    this.regions = regions;
    this.#folder = folder;
  }

  static async open(): Promise<MovePlace> {
    const folder = await mkdtemp(join(tmpdir(), "rowhouse-moves-"));
    const directory = await createDirectoryWithNames();
    await directory.pool.query(pointsTable);
    const regions = new Map<string, TestDatabase>();
    for (const name of Object.keys(config.regions)) {
      regions.set(name, await createRegionDatabase());
    }
    return new MovePlace(directory, regions, folder);
  }

  async dispose(): Promise<void> {
    await Promise.all([this.directory, ...this.regions.values()].map((database) => database.drop()));
    await rm(this.#folder, { recursive: true, force: true });
  }

  /** One process, to its end or its death. */
  run(does: MoveProcessOptions["does"], wish: MoveWish): Promise<ProcessEnd> {
    const options: MoveProcessOptions = {
      ...wish,
      does,
      tables,
      config,
      node: inject("postgres"),
      directoryDatabase: this.directory.name,
      regionDatabases: Object.fromEntries([...this.regions].map(([name, database]) => [name, database.name])),
      folder: this.#folder,
    };
    return runProgram("move-process.ts", options);
  }

  async home(slug: string): Promise<Home | undefined> {
    const { rows } = await this.directory.pool.query<Home>(
      "SELECT state, region, plan FROM tenants WHERE slug = $1",
      [slug],
    );
    return rows[0];
  }

  /** The location that its region serves it from. */
  async location(slug: string): Promise<Location> {
    const region = this.regions.get((await this.home(slug))?.region ?? "");
    const { rows } = (await region?.pool.query<Location>(
      "SELECT database, schema, app_role FROM data_locations WHERE slug = $1 AND phase = 'current'",
      [slug],
    )) ?? { rows: [] };
    if (!rows[0]) throw new Error(`${slug} is nowhere.`);
    return rows[0];
  }

  /** In that location's database, with its schema as search path. */
  async inside<T>(slug: string, work: (client: pg.Client, location: Location) => Promise<T>): Promise<T> {
    const location = await this.location(slug);
    const client = new pg.Client({ ...inject("postgres"), user: "postgres", database: location.database });
    await client.connect();
    await client.query(`SET search_path = "${location.schema}"`);
    return work(client, location).finally(() => client.end());
  }

  /** Writes rows with this number as the tenant's application does, unless the tenant has to wait just now. */
  async write(slug: string, number: number): Promise<boolean> {
    if ((await this.home(slug))?.state === "moving") return false;
    await this.inside(slug, async (client, { app_role }) => {
      const role = await client.query("SELECT FROM pg_roles WHERE rolname = $1 AND rolcanlogin", [app_role]);
      if (role.rowCount !== 1) throw new Error(`${slug} is served from where its application can't log in.`);
      await client.query(`SET ROLE "${app_role}"`);
      await client.query("INSERT INTO entries VALUES ($1, 'k')", [number]);
      await client.query("INSERT INTO keyless VALUES ($1), ($1)", [number]);
      await client.query(
        "DELETE FROM keyless WHERE ctid = (SELECT ctid FROM keyless WHERE id = $1 LIMIT 1)",
        [number],
      );
      await client.query("INSERT INTO numbered (v) VALUES ($1)", [number]);
    });
    return true;
  }
}
