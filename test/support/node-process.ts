import { execFile } from "node:child_process";
import { promisify } from "node:util";

/**
 * Runs an ES module's source in a Node process of its own and returns what it printed. `imports` maps a name to the
 * URL of a module of this project, from which the source finds all exports under that name.
 */
export async function runInProcess(source: string, imports: Readonly<Record<string, URL>>): Promise<string> {
  const lines = Object.entries(imports).map(
    ([name, url]) => `import * as ${name} from ${JSON.stringify(url.href)};`,
  );
  const code = [...lines, source].join("\n");
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", code], {
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout;
}
