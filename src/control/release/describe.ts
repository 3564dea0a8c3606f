import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type ErrorJson, fault, fromErrorJson } from "../../core/error.ts";

/** What a build must know of an application: the plain part of what it gave to `defineApp`. */
export interface ApplicationDescription {
  readonly name: string;
  readonly migrations: string | null;
  readonly assets: string | null;
}

/** What `programs/describe-application` answers. */
export type DescribeAnswer = { readonly application: ApplicationDescription } | { readonly error: ErrorJson };

const timeoutMilliseconds = 30_000;

/**
 * Loads the `app.js` in `folder` in a process of its own: what it opens or prints while it loads ends there.
 * @throws E_APP_INVALID
 */
export async function describeApplication(folder: string): Promise<ApplicationDescription> {
  const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js";
  const program = fileURLToPath(new URL(`../../programs/describe-application${extension}`, import.meta.url));
  const child = fork(program, [folder], {
    execArgv: ["--enable-source-maps"],
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMilliseconds);
  try {
    const answer = await new Promise<DescribeAnswer | undefined>((resolve, reject) => {
      child.once("message", (message) => resolve(message as DescribeAnswer));
      child.once("error", reject);
      // Unlike "exit", this comes after the last message was read.
      child.once("disconnect", () => resolve(undefined));
    });
    if (!answer) throw fault("E_APP_INVALID", "The application's module did not finish loading.");
    if ("error" in answer) throw fromErrorJson(answer.error);
    return answer.application;
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
  }
}
