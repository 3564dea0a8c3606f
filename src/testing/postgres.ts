import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createSystemClock } from "../embedded/clock.ts";
import { findPostgres, type PostgresBinaries } from "../embedded/postgres/binaries.ts";
import { initialiseDataFolder, withDataDirectory } from "../embedded/postgres/data-folder.ts";
import { killStrays } from "../embedded/postgres/strays.ts";
import { processIdentity } from "../embedded/process-identity.ts";
import type { DatabaseCredentials, DatabaseEndpoint } from "../ports/databases.ts";
import { connect } from "../postgres/connect.ts";
import { generatePassword, scramVerifier } from "../postgres/scram.ts";

/** A Postgres for this process's tests. */
export interface TestPostgres {
  readonly endpoint: DatabaseEndpoint;
  readonly administrator: DatabaseCredentials;
  /** For what else the tests keep on disk; gone with the server. */
  readonly folder: string;
  stop(): Promise<void>;
}
