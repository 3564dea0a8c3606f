import { execFile } from "node:child_process";
import { promisify } from "node:util";

/** Runs an ES module's text in a Node process of its own, without the test runner's loader; gives its stdout. */
export async function runNode(source: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", source], {
    timeout: 30_000,
  });
  return stdout;
}
