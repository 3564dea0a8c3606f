import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inject } from "vitest";
import { prepareControlSchema } from "../../src/control/schema.ts";
import { prepareCache } from "../../src/embedded/cache.ts";
import { prepareDns } from "../../src/embedded/dns.ts";
import { prepareMail } from "../../src/embedded/mail.ts";
import { prepareQueues } from "../../src/embedded/queues.ts";
import { createTestDatabase, type TestDatabase } from "./database.ts";
import { openRegionProgram, type RegionProgramOptions, type SagaOutcome } from "./region-program.ts";

/** The end of a process. */
export interface ProcessEnd {
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** Runs one program of this folder, to its end or its death. */
export async function runProgram(file: string, options: object): Promise<ProcessEnd> {
  const program = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, [program, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  const signal = await new Promise<NodeJS.Signals | null>((resolve, reject) =>
    child.once("close", (_code, by) => resolve(by)).once("error", reject),
  );
  return { signal, output };
}

/** A database with the tables of a region, and of the engines in it. */
export async function createRegionDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await prepareControlSchema(database.pool, "region");
  for (const prepare of [prepareCache, prepareMail, prepareQueues]) await prepare(database.pool);
  return database;
}

/** A database with the directory's tables, and the names. */
export async function createDirectoryWithNames(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await prepareControlSchema(database.pool, "directory");
  await prepareDns(database.pool);
  return database;
}

/** Where points that were passed are written down. */
export const pointsTable = "CREATE TABLE points (slug text, point text, PRIMARY KEY (slug, point))";

/** What a program is told besides: where it works. */
type Place = Pick<RegionProgramOptions, "node" | "directoryDatabase" | "regionDatabase" | "folder">;

/** A directory, a region and a folder in which programs work on tenants, and die. */
export class DeathGround {
  readonly directory: TestDatabase;
  readonly region: TestDatabase;
  readonly folder: string;
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(directory: TestDatabase, region: TestDatabase, folder: string) {
    this.directory = directory;
    this.region = region;
    this.folder = folder;
  }

  static async open(): Promise<DeathGround> {
    const [directory, region] = await Promise.all([createDirectoryWithNames(), createRegionDatabase()]);
    await region.pool.query(pointsTable);
    // Other test files have roles on the same server: these are the ones of here.
    await region.pool.query(`
      CREATE TABLE roles_made (role text PRIMARY KEY);
      CREATE FUNCTION note_roles() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO roles_made VALUES (NEW.app_role), (NEW.owner_role);
        RETURN NULL;
      END $$;
      CREATE TRIGGER note_roles AFTER INSERT ON data_locations FOR EACH ROW EXECUTE FUNCTION note_roles()`);
    return new DeathGround(directory, region, await mkdtemp(join(tmpdir(), "rowhouse-deaths-")));
  }

  /** The region in this process, with its workflow engine not yet launched; it is closed by {@link dispose}. */
  async openRegion(parts: Pick<RegionProgramOptions, "slug"> & { readonly tables: string }) {
    const program = await openRegionProgram(
      {
        ...{ node: inject("postgres"), folder: this.folder, slug: parts.slug },
        ...{ directoryDatabase: this.directory.name, regionDatabase: this.region.name },
        config: {
          app: "./app.ts",
          domain: "shop.example",
          regions: { "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] } },
          plans: { starter: { isolation: "schema" }, business: { isolation: "database" } },
        },
      },
      { name: "eu-west-1", tables: parts.tables },
    );
    const { platform, tenantData, administration, pool, directoryPool } = program;
    this.#closing.push(async () => {
      await platform.workflows.stop();
      await tenantData.close();
      await administration.close();
      await Promise.all([pool.end(), directoryPool.end()]);
    });
    return program;
  }

  /** Starts the program again and again until one comes to its end: what it printed, and how many died before. */
  async runToTheEnd<Options extends Place, Outcome extends SagaOutcome = SagaOutcome>(
    file: string,
    options: Omit<Options, keyof Place>,
  ): Promise<Outcome & { readonly kills: number }> {
    const place: Place = {
      node: inject("postgres"),
      directoryDatabase: this.directory.name,
      regionDatabase: this.region.name,
      folder: this.folder,
    };
    for (let kills = 0; kills < 100; kills++) {
      const { signal, output } = await runProgram(file, { ...place, ...options });
      if (signal !== "SIGKILL") return { kills, ...(JSON.parse(output) as Outcome) };
    }
    throw new Error(`${file} never came to an end.`);
  }

  /** Rows of `from`, which may have a WHERE. */
  async count(database: TestDatabase, from: string, ...parameters: unknown[]): Promise<number> {
    const { rows } = await database.pool.query(`SELECT count(*) AS count FROM ${from}`, parameters);
    return Number(rows[0]?.count);
  }

  /** Roles that were made here and belong to no place of a tenant any more. */
  async strayRoles(): Promise<string[]> {
    const { rows } = await this.region.pool.query<{ rolname: string }>(
      `SELECT rolname FROM pg_roles JOIN roles_made ON rolname = role
       WHERE NOT EXISTS (SELECT FROM data_locations WHERE role IN (app_role, owner_role))`,
    );
    return rows.map(({ rolname }) => rolname);
  }

  async dispose(): Promise<void> {
    for (const close of this.#closing) await close();
    await Promise.all([this.directory.drop(), this.region.drop()]);
    await rm(this.folder, { recursive: true, force: true });
  }
}
