import { findPostgres } from "../embedded/postgres/binaries.ts";
import type { DatabaseEndpoint } from "../ports/databases.ts";
import {
  cacheFolder,
  chooseRunsFolder,
  createOwnedFolder,
  ensureUserFolder,
  runsFolders,
  sweepOwnedFolders,
} from "./folders.ts";
import { startPostgres } from "./postgres.ts";
import { copyTemplate, ensureTemplate } from "./template.ts";

/** What all tests of a process stand on: a folder of their own, and a Postgres on it. */
export interface TestServer {
  readonly folder: string;
  readonly endpoint: DatabaseEndpoint;
}

let started: Promise<TestServer> | undefined;

/** The process's server: started at the first call, and gone with the process. */
export function testServer(): Promise<TestServer> {
  started ??= start().catch((error) => {
    started = undefined;
    throw error;
  });
  return started;
}

async function start(): Promise<TestServer> {
  const [cache, runs] = [cacheFolder(), await chooseRunsFolder()];
  await Promise.all([cache, runs].map(ensureUserFolder));
  const [binaries] = await Promise.all([findPostgres(), ...runsFolders().map(sweepOwnedFolders)]);
  const template = await ensureTemplate(cache, binaries);
  const folder = await createOwnedFolder(runs);
  await copyTemplate(template, folder);
  const { endpoint } = await startPostgres(folder, binaries);
  return { folder, endpoint };
}
