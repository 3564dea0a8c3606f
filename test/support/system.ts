import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Agent, fetch as fetchWith } from "undici";
import type { StatusDocument } from "../../src/control/status.ts";
import { freeBasePort } from "./base-port.ts";

export const repository = fileURLToPath(new URL("../../", import.meta.url));

/** Not every resolver knows that `*.localhost` is this machine (RFC 6761, 6.3), as browsers do. */
const loopback = new Agent({
  connect: { lookup: (_host, _options, done) => done(null, [{ address: "127.0.0.1", family: 4 }]) },
});

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as JSON; the call must have had --json. */
  json<T>(): T;
}

/** A whole Rowhouse, driven as an operator does: by the CLI and the API. */
export interface TestSystem {
  /** Tenants are one label below it. */
  readonly domain: string;
  /** What becomes of a mail there. */
  readonly mailStatus: string;
  /** What a closed tenant's certificate says that the engines keep for a while. */
  readonly remainders: readonly string[];
  /** URLs at which anyone may ask for any tenant by the Host header. */
  readonly entrances: readonly string[];
  balancerUrl(region: string): string;
  cli(...args: string[]): Promise<CliResult>;
  json<T>(...args: string[]): Promise<T>;
  status(): Promise<StatusDocument>;
  api(path: string, init?: RequestInit): Promise<Response>;
  tenant(slug: string, path: string, init?: RequestInit & { readonly at?: string }): Promise<Response>;
  dispose(): Promise<void>;
}

/** The bookshop's regions in the config's order, by which their ports are. */
const bookshopRegions = ["eu-west-1", "eu-central-1", "us-east-1"];

/** One on this machine, on a state folder of its own. */
export class System implements TestSystem {
  readonly domain = "localhost";
  readonly mailStatus = "not-configured";
  readonly remainders: readonly string[] = [];
  readonly basePort: number;
  readonly folder: string;
  readonly stateDirectory: string;
  readonly config: string;

  constructor(parts: { readonly basePort: number; readonly folder: string; readonly config: string }) {
    this.basePort = parts.basePort;
    this.folder = parts.folder;
    this.stateDirectory = join(parts.folder, "state");
    this.config = parts.config;
  }

  get url(): string {
    return `http://localhost:${this.basePort}`;
  }

  get apiUrl(): string {
    return `http://localhost:${this.basePort + 1}`;
  }

  get entrances(): readonly string[] {
    return [this.url, this.balancerUrl("eu-west-1")];
  }

  balancerUrl(region: string): string {
    return `http://localhost:${this.basePort + 10 + bookshopRegions.indexOf(region)}`;
  }

  /** Runs `rowhouse <args>` on this state folder to its end. */
  cli(...args: string[]): Promise<CliResult> {
    return runCli([...args, "--state-dir", this.stateDirectory, "--config", this.config]);
  }

  /** The same with --json; fails when the command fails. */
  async json<T>(...args: string[]): Promise<T> {
    const result = await this.cli(...args, "--json");
    if (result.code !== 0) throw new Error(`rowhouse ${args.join(" ")}: ${result.stdout}${result.stderr}`);
    return result.json<T>();
  }

  async up(): Promise<void> {
    const result = await this.cli("up", "--detach", "--port", String(this.basePort));
    if (result.code !== 0) throw new Error(`rowhouse up failed: ${result.stderr}${result.stdout}`);
  }

  status(): Promise<StatusDocument> {
    return this.json<StatusDocument>("status");
  }

  async token(): Promise<string> {
    return (await readFile(join(this.stateDirectory, "operator-token"), "utf8")).trim();
  }

  /** A request to the control API as the first operator. */
  async api(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.apiUrl}${path}`, {
      ...init,
      headers: {
        authorization: `Bearer ${await this.token()}`,
        "content-type": "application/json",
        ...init.headers,
      },
    });
  }

  /** A request to a tenant's host; at the edge unless `at` names a balancer. */
  tenant(slug: string, path: string, init: RequestInit & { readonly at?: string } = {}): Promise<Response> {
    const { at = this.url, ...rest } = init;
    const { port } = new URL(at);
    const answer = fetchWith(`http://${slug}.localhost:${port}${path}`, {
      ...(rest as object),
      dispatcher: loopback,
    });
    return answer as unknown as Promise<Response>;
  }

  async dispose(): Promise<void> {
    const { code, stdout, stderr } = await this.cli("down");
    if (code !== 0) throw new Error(`rowhouse down failed: ${stderr}${stdout}`);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export interface SystemOptions {
  /** A config file; by default the bookshop's. */
  readonly config?: string;
  /** By default that of a block of ports that nobody else takes. */
  readonly basePort?: number | undefined;
}

/** A system that is not started yet. */
export async function createSystem(options: SystemOptions = {}): Promise<System> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-system-"));
  return new System({
    basePort: options.basePort ?? (await freeBasePort()),
    folder,
    config: options.config ?? join(repository, "examples/bookshop/rowhouse.config.ts"),
  });
}

/** Runs the CLI as its users do: `bin/rowhouse`, on whatever Node there is. */
export function runCli(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(join(repository, "bin/rowhouse"), args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
    });
    let [stdout, stderr] = ["", ""];
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    child.once("error", reject);
    child.once("close", (code) => {
      resolve({ code, stdout, stderr, json: <T>() => JSON.parse(stdout) as T });
    });
  });
}
