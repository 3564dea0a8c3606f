/** The load, in a process of its own: keep-alive connections, each asking again as soon as it was answered. */
import { connect } from "node:net";

/** What is to be asked, and of whom. */
export interface Load {
  readonly address: string;
  readonly connections: number;
  readonly milliseconds: number;
  /** Host is `<prefix>-<rank>.localhost`. */
  readonly prefix: string;
  readonly tenants: number;
  /** Exponent of the Zipf distribution. */
  readonly skew: number;
  readonly rows: number;
  readonly seed: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  readonly failed: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
}

/** A small generator (mulberry32), so that every target is asked the same. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Raw requests, drawn beforehand: the load must cost as little as it can of the machine that it shares. */
function drawRequests(load: Load): Buffer[] {
  const random = randomOf(load.seed);
  const cumulative: number[] = [];
  let total = 0;
  for (let rank = 1; rank <= load.tenants; rank++) {
    total += rank ** -load.skew;
    cumulative.push(total);
  }
  return Array.from({ length: 20_000 }, () => {
    const point = random() * total;
    const rank = cumulative.findIndex((sum) => sum >= point);
    const row = 1 + Math.floor(random() * load.rows);
    return Buffer.from(`GET /books/${row} HTTP/1.1\r\nHost: ${load.prefix}-${rank}.localhost\r\n\r\n`);
  });
}

async function run(load: Load): Promise<LoadResult> {
  const requests = drawRequests(load);
  const [host, port] = load.address.split(":");
  const latencies: number[] = [];
  let next = 0;
  let failed = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + load.milliseconds;
  const client = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ host, port: Number(port), noDelay: true });
      let buffered = "";
      let sentAt = 0;
      const send = () => {
        sentAt = performance.now();
        if (sentAt >= endsAt) {
          socket.end();
          return resolve();
        }
        socket.write(requests[next++ % requests.length]!);
      };
      socket.setEncoding("latin1");
      socket.once("connect", send);
      socket.once("error", reject);
      socket.on("data", (chunk: string) => {
        buffered += chunk;
        const head = buffered.indexOf("\r\n\r\n");
        if (head < 0) return;
        const length = Number(/content-length: (\d+)/i.exec(buffered.slice(0, head))?.[1] ?? 0);
        if (buffered.length < head + 4 + length) return;
        if (!buffered.startsWith("HTTP/1.1 200")) failed++;
        latencies.push(performance.now() - sentAt);
        buffered = "";
        send();
      });
    });
  await Promise.all(Array.from({ length: load.connections }, client));
  const seconds = (performance.now() - startedAt) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
  return {
    requestsPerSecond: (latencies.length - failed) / seconds,
    failed,
    p50Milliseconds: quantile(0.5),
    p99Milliseconds: quantile(0.99),
  };
}

process.on("message", async (load: Load) => {
  process.send?.(await run(load));
});
process.once("disconnect", () => process.exit());
