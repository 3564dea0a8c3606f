import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { readAssets } from "../control/release/assets.ts";
import type { Config } from "../core/config/schema.ts";
import { fault, RowhouseError } from "../core/error.ts";
import type { Migration } from "../core/migration/plan.ts";
import type { Application } from "../instance/application.ts";
import { ReleaseAssets, registerAssets } from "../instance/assets.ts";
import { type RunningInstance, startInstance } from "../instance/server.ts";
import { readMigrations } from "../postgres/migrate.ts";
import type { TestRegion } from "./region.ts";

/** An application that is served, with what new tenants of it need. */
export interface TestInstance {
  readonly running: RunningInstance;
  readonly address: { readonly host: string; readonly port: number };
  readonly migrations: readonly Migration[];
  readonly region: TestRegion;
  readonly config: Config;
}

export interface StartTestInstance {
  readonly application: Application;
  readonly region: TestRegion;
  /** The region's name, of those in the config. */
  readonly regionName: string;
  readonly config: Config;
  /** Where the application's relative paths begin. */
  readonly folder: string | null;
}

/** Starts a real instance of the application on the process's region. @throws E_APP_INVALID, E_MIGRATION_NAME */
export async function startTestInstance(options: StartTestInstance): Promise<TestInstance> {
  const { application, region, regionName, config } = options;
  const [migrations, assets] = await Promise.all([migrationsOf(options), assetsOf(options)]);
  if (assets) registerAssets(assets);
  const { data } = region;
  const running = await startInstance({
    application,
    platform: { ...data.platform, region: regionName },
    regionPool: data.pool,
    regionConnection: data.connection,
    config,
    identity: { instanceId: "testing", zone: "a", region: regionName, release: "testing" },
    listen: { host: "127.0.0.1", port: 0 },
    internalToken: randomUUID(),
    objectsHandler: data.objectsHandler,
    ...(assets && { assets }),
    logSink: writeProblems,
  });
  const [host = "", port] = running.address.split(":");
  return { running, address: { host, port: Number(port) }, migrations, region, config };
}

/** Of the log only what went wrong, for whoever reads a test's output. */
function writeProblems(line: string): void {
  if (/^\{"level":"(warn|error)"/.test(line)) process.stderr.write(line);
}

async function migrationsOf(options: StartTestInstance): Promise<readonly Migration[]> {
  const folder = folderOf(options, "migrations");
  if (folder === undefined) return [];
  return readMigrations(folder).catch((error) => unreadable("migrations", folder, error));
}

async function assetsOf(options: StartTestInstance): Promise<ReleaseAssets | undefined> {
  const folder = folderOf(options, "assets");
  if (folder === undefined) return undefined;
  const assets = await readAssets(folder).catch((error) => unreadable("assets", folder, error));
  return new ReleaseAssets(
    folder,
    assets.map(({ file, sha256 }) => ({ file, sha256 })),
  );
}

function folderOf(
  { application, folder }: StartTestInstance,
  field: "migrations" | "assets",
): string | undefined {
  const path = application[field];
  if (path === null) return undefined;
  if (folder !== null) return resolve(folder, path);
  throw fault("E_APP_INVALID", `Which folder the application's ${field} are relative to is not known.`, {
    remedy: "Pass testTenant the `folder` of the application's module.",
  });
}

function unreadable(field: "migrations" | "assets", folder: string, cause: unknown): never {
  if (cause instanceof RowhouseError) throw cause;
  throw fault("E_APP_INVALID", `The application's ${field} folder ${folder} can't be read.`, {
    cause,
    remedy: `Correct \`${field}\` in defineApp, or pass testTenant the \`folder\` of the application's module.`,
  });
}
