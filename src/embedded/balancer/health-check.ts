import { get } from "node:http";
import type { HealthOutcome } from "../../core/balancing/health.ts";

export interface HealthCheckResult {
  readonly outcome: HealthOutcome;
  readonly reason: string;
}

export type HealthCheck = (address: string) => Promise<HealthCheckResult>;

const timeoutMilliseconds = 1000;

/** Asks the server at `address` (`host:port`) how it is, over a connection of its own; 2xx within a second is well. */
export function checkHealth(address: string): Promise<HealthCheckResult> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMilliseconds);
    const request = get(`http://${address}/_rowhouse/health`, { agent: false, signal }, (response) => {
      const status = response.statusCode ?? 0;
      const ok = status >= 200 && status < 300;
      response.destroy();
      resolve({ outcome: ok ? "ok" : "failed", reason: ok ? "" : `The health check answered ${status}.` });
    });
    request.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED")
        resolve({ outcome: "refused", reason: `Nobody listens at ${address}.` });
      else if (signal.aborted)
        resolve({ outcome: "failed", reason: "The health check had no answer within 1 s." });
      else
        resolve({
          outcome: "failed",
          reason: `The health check's connection broke (${error.code ?? error.message}).`,
        });
    });
  });
}
