import { StateFolder } from "../../src/embedded/state-folder.ts";
import { openEngine } from "./database-machine.ts";

/** A process that creates the server `one`, for a test to kill. */
const [path = "", firstPort = ""] = process.argv.slice(2);
const ports = { first: Number(firstPort), last: Number(firstPort) + 3 };
const databases = await openEngine(new StateFolder(path), ports);
await databases.create({ name: "one", zones: ["a", "b"] });
// Lives on until it is killed.
setInterval(() => {}, 1000);
