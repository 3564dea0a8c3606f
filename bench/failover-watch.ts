/** Looks after a machine's database servers as a controller does; each line on stdin has the server `one` fail over. */
import { createInterface } from "node:readline";
import { StateFolder } from "../src/embedded/state-folder.ts";
import { openEngine } from "../test/support/database-machine.ts";

const [path = "", firstPort = ""] = process.argv.slice(2);
const ports = { first: Number(firstPort), last: Number(firstPort) + 3 };
const databases = await openEngine(new StateFolder(path), ports);
databases.watch();
const lines = createInterface({ input: process.stdin });
lines.on("line", () => {
  databases.failOver("one").catch((error: unknown) => console.error(error));
});
lines.on("close", () => void databases.stopWatching().then(() => process.exit()));
