import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import { followSignup } from "../control/follow-signup.ts";
import type { RegionControl, SignupStatus } from "../control/region-control.ts";
import { toRowhouseError } from "../core/error.ts";
import { problemDocument, publicError } from "../core/problem.ts";

const keepAliveMilliseconds = 15_000;

/**
 * Each change of a sign-up as a server-sent event named `status`, beginning with `first`; the stream ends after the
 * last one. An event named `problem` tells that the region stopped answering. `isPublic` keeps from its reader what
 * an unforeseen fault says.
 */
export function streamSignup(
  context: Context,
  region: Pick<RegionControl, "waitForSignup">,
  first: SignupStatus,
  { isPublic }: { readonly isPublic: boolean },
): Response {
  // Proxies that buffer would hold the events back.
  context.header("x-accel-buffering", "no");
  return streamSSE(context, async (stream) => {
    const aborted = new AbortController();
    stream.onAbort(() => aborted.abort());
    // A comment: clients pass over it, and what is between keeps the connection open.
    const keepAlive = setInterval(() => void stream.write(":\n\n"), keepAliveMilliseconds);
    try {
      for await (const change of followSignup(region, first, aborted.signal)) {
        await stream.writeSSE({ event: "status", data: JSON.stringify(change) });
      }
    } catch (thrown) {
      const error = isPublic ? publicError(thrown) : toRowhouseError(thrown);
      await stream.writeSSE({ event: "problem", data: JSON.stringify(problemDocument(error)) });
    } finally {
      clearInterval(keepAlive);
    }
  });
}
