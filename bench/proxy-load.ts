/** The load, in a process of its own: keep-alive connections, each asking again as soon as it was answered. */
import { connect } from "node:net";

export interface ProxyLoad {
  readonly port: number;
  readonly connections: number;
  readonly milliseconds: number;
  /** How every answer ends. */
  readonly ending: string;
}

export interface ProxyLoadResult {
  readonly requestsPerSecond: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  readonly failed: number;
}

const request = Buffer.from(
  "GET /api/books HTTP/1.1\r\nHost: acme.localhost\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n",
);

function run(load: ProxyLoad): Promise<ProxyLoadResult> {
  const ending = Buffer.from(load.ending);
  const latencies: number[] = [];
  let failed = 0;
  const startedAt = performance.now();
  const client = () =>
    new Promise<void>((resolve) => {
      const socket = connect({ host: "127.0.0.1", port: load.port, noDelay: true });
      let askedAt = 0;
      const ask = () => {
        askedAt = performance.now();
        if (askedAt - startedAt > load.milliseconds) {
          socket.destroy();
          resolve();
        } else socket.write(request);
      };
      socket.on("connect", ask).on("data", (chunk: Buffer) => {
        if (!chunk.subarray(-ending.length).equals(ending)) return;
        latencies.push(performance.now() - askedAt);
        ask();
      });
      socket.on("error", () => {
        failed++;
        resolve();
      });
    });
  return Promise.all(Array.from({ length: load.connections }, client)).then(() => {
    const seconds = (performance.now() - startedAt) / 1000;
    const sorted = Float64Array.from(latencies).sort();
    const quantile = (share: number) => sorted[Math.floor(sorted.length * share)] ?? 0;
    const requestsPerSecond = latencies.length / seconds;
    return { requestsPerSecond, p50Milliseconds: quantile(0.5), p99Milliseconds: quantile(0.99), failed };
  });
}

process.on("message", async (load: ProxyLoad) => {
  process.send?.(await run(load));
});
