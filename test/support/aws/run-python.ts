import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { pythonProgram } from "./python.ts";

/** What a line of Python prints, with the emulator's own packages at hand. */
export async function runPython(code: string): Promise<string> {
  const { stdout } = await promisify(execFile)(await pythonProgram("python"), ["-c", code]);
  return stdout;
}
