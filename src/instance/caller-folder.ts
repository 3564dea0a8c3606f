import { dirname, isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { getCallSites } from "node:util";

/** This package's own modules, as sources or built. */
const ownFolder = fileURLToPath(new URL("../", import.meta.url));

/** More frames than a wrapper of a wrapper puts between. */
const frames = 20;

/** The folder of the nearest module on the stack that is not this package's own; `null` when there is none. */
export function callerFolder(): string | null {
  // What runs, not what a source map says it was made from.
  for (const { scriptName } of getCallSites(frames, { sourceMap: false })) {
    // Test runners name a module by its path, Node by its URL; Node's own modules have neither.
    const file = scriptName.startsWith("file:") ? fileURLToPath(scriptName) : scriptName;
    if (isAbsolute(file) && !file.startsWith(ownFolder)) return dirname(file);
  }
  return null;
}
