import { findPostgres } from "../embedded/postgres/binaries.ts";
import type { DatabaseEndpoint } from "../ports/databases.ts";
import { createOwnedFolder, ensureTestingFolder, sweepOwnedFolders, testingFolder } from "./folders.ts";
import { startPostgres } from "./postgres.ts";
import { copyTemplate } from "./template.ts";

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
  const root = testingFolder();
  await ensureTestingFolder(root);
  const [binaries] = await Promise.all([findPostgres(), sweepOwnedFolders(root)]);
  const folder = await createOwnedFolder(root);
  await copyTemplate(root, folder, binaries);
  const { endpoint } = await startPostgres(folder, binaries);
  return { folder, endpoint };
}
