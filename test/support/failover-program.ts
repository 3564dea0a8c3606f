import { subscribe } from "node:diagnostics_channel";
import { failoverChannel } from "../../src/embedded/postgres/failover.ts";
import { StateFolder } from "../../src/embedded/state-folder.ts";
import { openEngine } from "./database-machine.ts";

/** What a process does that looks after the server `one`: see {@link FailoverProgramOptions.diesAt}. */
export interface FailoverProgramOptions {
  readonly state: string;
  readonly firstPort: number;
  /** It kills itself there, as in `before promote`. */
  readonly diesAt: string;
  /** It has the server fail over; else it waits until it must. */
  readonly onPurpose: boolean;
}

const options = JSON.parse(process.argv[2] ?? "") as FailoverProgramOptions;

function dieAt(point: "before" | "after", event: "start" | "asyncEnd"): void {
  subscribe(`tracing:${failoverChannel}:${event}`, (message) => {
    const { step } = message as { step: string };
    if (options.diesAt === `${point} ${step}`) process.kill(process.pid, "SIGKILL");
  });
}

dieAt("before", "start");
dieAt("after", "asyncEnd");
const ports = { first: options.firstPort, last: options.firstPort + 3 };
const databases = await openEngine(new StateFolder(options.state), ports);
databases.watch();
if (options.onPurpose) await databases.failOver("one");
// Lives on until it is killed.
setInterval(() => {}, 1000);
