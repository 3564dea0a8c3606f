import { join } from "node:path";
import { createSystemClock } from "../../src/embedded/clock.ts";
import { createDatabases } from "../../src/embedded/databases.ts";
import { createKeys } from "../../src/embedded/keys.ts";
import { ProcessTable } from "../../src/embedded/processes.ts";
import { StateFolder } from "../../src/embedded/state-folder.ts";

/** A process that creates the server `one`, for a test to kill. */
const [path = "", firstPort = ""] = process.argv.slice(2);
const state = new StateFolder(path);
const ports = { first: Number(firstPort), last: Number(firstPort) + 3 };
const databases = await createDatabases({
  folder: join(state.region("here"), "databases"),
  namePrefix: "here",
  processes: new ProcessTable(state),
  logs: state.logs,
  keys: await createKeys({ file: join(state.region("here"), "keys.json") }),
  clock: createSystemClock(),
  host: "127.0.0.1",
  ports: { shared: ports, dedicated: ports },
  log: () => {},
});
await databases.create({ name: "one", zones: ["a", "b"] });
// Lives on until it is killed.
setInterval(() => {}, 1000);
