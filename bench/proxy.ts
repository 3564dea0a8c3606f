/**
 * What the balancer costs a request: a small answer through it, through nginx where there is one (`--nginx <path>`),
 * and from the server itself. All are measured in turns (A B C A B C …), because the machine's mood changes more
 * than they differ; the figures are medians over the turns, and the load shares the machine.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { startTestBalancer } from "../test/support/balancer.ts";
import { freePort } from "../test/support/postgres-server.ts";
import type { ProxyLoad, ProxyLoadResult } from "./proxy-load.ts";

interface Candidate {
  readonly name: string;
  readonly port: number;
}

const connections = 32;
const turns = 5;
const turnMilliseconds = 1500;
/** Until Node has compiled what is hot. */
const warmUpMilliseconds = 2500;
const answer = '{"title":"A Room of One’s Own"}\n';

function child(file: string, args: readonly string[] = []): ChildProcess {
  return fork(new URL(file, import.meta.url), args, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** The same task for nginx: one worker, connections kept on both sides, the same headers set. */
async function startNginx(
  program: string,
  targetPort: number,
): Promise<Candidate & { stop(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-bench-nginx-"));
  const port = await freePort();
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  await writeFile(
    join(folder, "nginx.conf"),
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; ${paths.join(" ")}
upstream target { server 127.0.0.1:${targetPort}; keepalive 64; keepalive_requests 1000000000; }
server { listen 127.0.0.1:${port}; location / { proxy_pass http://target; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Proto http; proxy_set_header X-Request-Id $request_id; } } }`,
  );
  const nginx = spawn(program, ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: "inherit" });
  await sleep(300);
  const stop = async () => {
    nginx.kill("SIGTERM");
    await once(nginx, "exit");
    await rm(folder, { recursive: true });
  };
  return { name: "nginx", port, stop };
}

async function measure(load: ChildProcess, port: number, milliseconds: number): Promise<ProxyLoadResult> {
  load.send({ port, connections, milliseconds, ending: answer } satisfies ProxyLoad);
  return (await once(load, "message"))[0] as ProxyLoadResult;
}

async function bench(load: ChildProcess, candidates: readonly Candidate[]) {
  const results = candidates.map(() => [] as ProxyLoadResult[]);
  for (const { port } of candidates) await measure(load, port, warmUpMilliseconds);
  for (let turn = 0; turn < turns; turn++) {
    for (const [i, { port }] of candidates.entries())
      results[i]!.push(await measure(load, port, turnMilliseconds));
  }
  const direct = median(results[0]!.map(({ requestsPerSecond }) => requestsPerSecond));
  return candidates.map(({ name }, i) => {
    const of = (figure: keyof ProxyLoadResult) => median(results[i]!.map((result) => result[figure]));
    const failed = results[i]!.reduce((sum, result) => sum + result.failed, 0);
    return {
      name,
      requestsPerSecond: Math.round(of("requestsPerSecond")),
      ofDirect: Number((of("requestsPerSecond") / direct).toFixed(2)),
      p50Milliseconds: Number(of("p50Milliseconds").toFixed(2)),
      p99Milliseconds: Number(of("p99Milliseconds").toFixed(2)),
      failed,
    };
  });
}

const { values } = parseArgs({ options: { nginx: { type: "string" } } });
const target = child("proxy-target.ts", [answer]);
const [targetPort] = (await once(target, "message")) as [number];
const load = child("proxy-load.ts");
const { balancer, port, dispose } = await startTestBalancer();
const nginx = values.nginx ? await startNginx(values.nginx, targetPort) : undefined;
try {
  await balancer.register({ id: "i-1", address: `127.0.0.1:${targetPort}`, zone: "a" });
  while ((await balancer.targets())[0]?.state !== "healthy") await sleep(20);
  const rows = await bench(load, [
    { name: "direct", port: targetPort },
    { name: "rowhouse balancer", port },
    ...(nginx ? [nginx] : []),
  ]);
  console.table(rows);
  console.log(JSON.stringify({ bench: "proxy", connections, turns, turnMilliseconds, rows }));
} finally {
  await nginx?.stop();
  await dispose();
  target.kill();
  load.kill();
}
