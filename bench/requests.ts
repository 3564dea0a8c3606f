/**
 * What multi-tenancy costs a request: one instance against the same handler on bare `node:http` with one pool, and
 * beside them the two usual ways. Every candidate is measured in turns with the bare server (A B A B …), because
 * the machine's mood changes more than the candidates differ; a ratio is the median over the turns.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { processorMilliseconds } from "./processor-time.ts";
import {
  type BenchData,
  createData,
  type Kind,
  rowsPerTenant,
  startPostgres,
  tenantsPerKind,
} from "./requests-data.ts";
import type { Load, LoadResult } from "./requests-load.ts";
import type { Target } from "./requests-target.ts";

interface Candidate {
  readonly name: string;
  readonly target: Target;
  readonly tenants: Kind;
  /** Of the bare server's throughput; absent where nothing was promised. */
  readonly goal?: number;
  readonly turns: number;
}

interface Measurement {
  readonly name: string;
  readonly connections: number;
  readonly requestsPerSecond: number;
  readonly bareRequestsPerSecond: number;
  readonly ratio: number;
  /** Of the server and Postgres, for one request. */
  readonly processorMicroseconds: number;
  /** Bare's processor time over this one's: what the ratio tends to where nothing else runs on the machine. */
  readonly processorRatio: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  readonly failed: number;
  readonly goal: number | null;
}

const loadConnections = 64;
const skew = 1.1;
/** Until the code is compiled and every tenant has its connection: so many requests, but no longer than that. */
const warmUpRequests = 15_000;
const warmUpTurns = 5;
const turnMilliseconds = 1_000;

const candidates: readonly Candidate[] = [
  {
    name: "a database each",
    tenants: "database",
    target: { kind: "rowhouse", connections: 250 },
    goal: 0.7,
    turns: 4,
  },
  {
    name: "a schema each, own logins",
    tenants: "schema",
    target: { kind: "rowhouse", connections: 250 },
    goal: 0.7,
    turns: 4,
  },
  {
    name: "a schema each, shared login",
    tenants: "shared",
    target: { kind: "rowhouse", connections: 60 },
    goal: 0.5,
    turns: 4,
  },
  {
    name: "usual: a pool for each database",
    tenants: "database",
    target: { kind: "pool-each", connections: 2 },
    turns: 3,
  },
  {
    name: "usual: SET search_path for each request",
    tenants: "shared",
    target: { kind: "set-each", connections: 60 },
    turns: 3,
  },
  ...[60, 120].flatMap((connections): Candidate[] => [
    { name: "a database each", tenants: "database", target: { kind: "rowhouse", connections }, turns: 2 },
    {
      name: "a schema each, own logins",
      tenants: "schema",
      target: { kind: "rowhouse", connections },
      turns: 2,
    },
  ]),
  ...[15, 30].map(
    (connections): Candidate => ({
      name: "a schema each, shared login",
      tenants: "shared",
      target: { kind: "rowhouse", connections },
      turns: 2,
    }),
  ),
];

async function main(only: string | undefined): Promise<void> {
  const postgres = await startPostgres(await freePort());
  try {
    const data = await createData(postgres);
    const load = startChild("./requests-load.ts");
    const idleBytes = await measureIdleMemory(data);
    const measurements: Measurement[] = [];
    for (const candidate of candidates) {
      if (only !== undefined && !`${candidate.name} ${candidate.target.connections}`.includes(only)) continue;
      const measurement = await measure(candidate, { data, load });
      measurements.push(measurement);
      process.stdout.write(`${JSON.stringify({ bench: "requests", ...measurement })}\n`);
    }
    process.stdout.write(`${JSON.stringify({ bench: "requests", idleResidentBytes: idleBytes })}\n`);
    load.disconnect();
    const table = renderTable(measurements, idleBytes);
    process.stdout.write(`\n${table}`);
    if (only === undefined)
      await writeFile(new URL("./requests.md", import.meta.url), `${introduction}\n${table}`);
  } finally {
    await postgres.stop();
  }
}

async function measure(
  candidate: Candidate,
  parts: { data: BenchData; load: ChildProcess },
): Promise<Measurement> {
  const { data, load } = parts;
  const [bare, own] = await Promise.all([
    startTarget({ kind: "bare", connections: 60 }, data),
    startTarget(candidate.target, data),
  ]);
  const ask = (address: string, milliseconds: number, seed: number) =>
    askLoad(load, {
      address,
      connections: loadConnections,
      milliseconds,
      prefix: candidate.tenants,
      tenants: tenantsPerKind,
      skew,
      rows: rowsPerTenant,
      seed,
    });
  for (const { address } of [bare, own]) {
    for (let turn = 0, requests = 0; turn < warmUpTurns && requests < warmUpRequests; turn++) {
      requests +=
        (await ask(address, turnMilliseconds, 1_000 + turn)).requestsPerSecond * (turnMilliseconds / 1000);
    }
  }
  const turns: { own: Turn; bare: Turn }[] = [];
  for (let turn = 0; turn < candidate.turns; turn++) {
    const before = await withProcessorTime(bare.child, data, () => ask(bare.address, turnMilliseconds, turn));
    turns.push({
      bare: before,
      own: await withProcessorTime(own.child, data, () => ask(own.address, turnMilliseconds, turn)),
    });
  }
  await Promise.all([stopChild(bare.child), stopChild(own.child)]);
  return {
    name: candidate.name,
    connections: candidate.target.connections,
    requestsPerSecond: Math.round(median(turns.map((turn) => turn.own.requestsPerSecond))),
    bareRequestsPerSecond: Math.round(median(turns.map((turn) => turn.bare.requestsPerSecond))),
    ratio: round(median(turns.map((turn) => turn.own.requestsPerSecond / turn.bare.requestsPerSecond))),
    processorMicroseconds: Math.round(median(turns.map((turn) => turn.own.processorMicroseconds))),
    processorRatio: round(
      median(turns.map((turn) => turn.bare.processorMicroseconds / turn.own.processorMicroseconds)),
    ),
    p50Milliseconds: round(median(turns.map((turn) => turn.own.p50Milliseconds))),
    p99Milliseconds: round(median(turns.map((turn) => turn.own.p99Milliseconds))),
    failed: turns.reduce((sum, turn) => sum + turn.own.failed, 0),
    goal: candidate.goal ?? null,
  };
}

interface Turn extends LoadResult {
  readonly processorMicroseconds: number;
}

/** Adds what the server and Postgres spent on a turn's requests. */
async function withProcessorTime(
  child: ChildProcess,
  data: BenchData,
  run: () => Promise<LoadResult>,
): Promise<Turn> {
  const spent = () =>
    processorMilliseconds(child.pid) + processorMilliseconds(data.postgresPid, "with its children");
  const before = spent();
  const result = await run();
  const requests = (result.requestsPerSecond * turnMilliseconds) / 1000;
  return { ...result, processorMicroseconds: ((spent() - before) * 1000) / requests };
}

/** Resident memory of an instance that knows 600 tenants and has served none. */
async function measureIdleMemory(data: BenchData): Promise<number> {
  const { child } = await startTarget({ kind: "rowhouse", connections: 60 }, data);
  child.send("memory");
  const [{ residentBytes }] = (await once(child, "message")) as [{ residentBytes: number }];
  await stopChild(child);
  return residentBytes;
}

function startChild(file: string): ChildProcess {
  return fork(new URL(file, import.meta.url), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    execArgv: process.execArgv,
  });
}

async function startTarget(
  target: Target,
  data: BenchData,
): Promise<{ child: ChildProcess; address: string }> {
  const child = startChild("./requests-target.ts");
  child.send({ target, data });
  const [{ address }] = (await once(child, "message")) as [{ address: string }];
  return { child, address };
}

async function stopChild(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.disconnect();
  await exited;
}

async function askLoad(child: ChildProcess, load: Load): Promise<LoadResult> {
  child.send(load);
  const [result] = (await once(child, "message")) as [LoadResult];
  return result;
}

const introduction = `# Requests

One indexed SELECT a request, ${tenantsPerKind} tenants drawn by Zipf(${skew}), ${loadConnections} keep-alive connections, Postgres with the
embedded mode's settings; load, server and Postgres share the machine. "Ratio" is against the same handler on bare
\`node:http\` with one \`pg.Pool\` of 60 connections, measured in turns; medians. "CPU ratio" is bare's processor time a
request, server and Postgres together, over the candidate's: other programs on the machine disturb it less. Made by
\`node bench/requests.ts\`.
`;

function renderTable(measurements: readonly Measurement[], idleBytes: number): string {
  const rows = measurements.map((m) => [
    m.name,
    m.name.startsWith("usual: a pool") ? `${m.connections} each` : String(m.connections),
    m.requestsPerSecond.toLocaleString("en"),
    m.bareRequestsPerSecond.toLocaleString("en"),
    m.ratio.toFixed(2),
    m.processorRatio.toFixed(2),
    m.goal === null ? "" : `≥ ${m.goal}`,
    m.p50Milliseconds.toFixed(1),
    m.p99Milliseconds.toFixed(1),
    String(m.failed),
  ]);
  const head = [
    "tenants have",
    "connections",
    "requests/s",
    "bare",
    "ratio",
    "CPU ratio",
    "goal",
    "p50 ms",
    "p99 ms",
    "failed",
  ];
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  return `${lines.join("\n")}\n\nAn idle instance that knows 600 tenants: ${Math.round(idleBytes / 1e6)} MB resident (goal ≤ 120).\n`;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

await main(process.argv[2]);
