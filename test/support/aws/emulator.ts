import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { freePort } from "../postgres-server.ts";
import { pythonProgram } from "./python.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** URL of this test run's moto server. */
    awsEndpoint: string;
  }
}

const startMilliseconds = 60_000;
const program = fileURLToPath(new URL("moto_server.py", import.meta.url));
const logs = fileURLToPath(new URL("../../../.cache/logs", import.meta.url));

/** How many keys or versions the emulator's S3 lists in a page when it isn't told. */
export const emulatedPageLength = 20;

/** An emulator that others wrote: moto's server, with replicas as RDS has them. */
export interface Emulator {
  readonly endpoint: string;
  stop(): Promise<void>;
}

export async function startEmulator(): Promise<Emulator> {
  const port = await freePort();
  await mkdir(logs, { recursive: true });
  const log = createWriteStream(`${logs}/moto-${port}.log`);
  const server = spawn(await pythonProgram("python"), [program, "-H", "127.0.0.1", "-p", String(port)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      // Its own start-up is most of the time; without these it would look for Docker and for instance types.
      MOTO_EC2_LOAD_DEFAULT_AMIS: "true",
      MOTO_ENABLE_ISO_REGIONS: "false",
      // S3's pages hold 1,000 by default: too many to write for a test that wants to turn one.
      MOTO_S3_DEFAULT_MAX_KEYS: String(emulatedPageLength),
    },
  });
  server.stdout.pipe(log);
  server.stderr.pipe(log);
  const exited = once(server, "exit");
  const endpoint = `http://127.0.0.1:${port}`;
  await untilAnswering(endpoint, () => server.exitCode);
  return {
    endpoint,
    stop: async () => {
      server.kill("SIGKILL");
      await exited;
    },
  };
}

async function untilAnswering(endpoint: string, exitCode: () => number | null): Promise<void> {
  for (const deadline = Date.now() + startMilliseconds; ; await sleep(50)) {
    const answers = await fetch(`${endpoint}/moto-api/`).then(
      (response) => response.ok,
      () => false,
    );
    if (answers) return;
    if (exitCode() !== null) throw new Error(`moto ended with ${exitCode()} before it listened`);
    if (Date.now() > deadline) throw new Error("moto does not listen");
  }
}

/** One emulator for the whole test run; each test file works in an account of its own in it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const emulator = await startEmulator();
  project.provide("awsEndpoint", emulator.endpoint);
  return () => emulator.stop();
}
