import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const environment = fileURLToPath(new URL("../../../.cache/aws", import.meta.url));
const requirements = fileURLToPath(new URL("requirements.txt", import.meta.url));

/** The path of a program of the virtual environment, which is made at the first call: cfn-lint, or Python with moto. */
export async function pythonProgram(name: "cfn-lint" | "python"): Promise<string> {
  await ensureEnvironment();
  return join(environment, "bin", name);
}

let ensured: Promise<void> | undefined;

function ensureEnvironment(): Promise<void> {
  ensured ??= makeEnvironment();
  return ensured;
}

async function makeEnvironment(): Promise<void> {
  const wanted = await readFile(requirements, "utf8");
  const marker = join(environment, "installed.txt");
  if (existsSync(marker) && (await readFile(marker, "utf8")) === wanted) return;
  await mkdir(environment, { recursive: true });
  await run("python3", ["-m", "venv", environment]);
  await run(join(environment, "bin/pip"), ["install", "--quiet", "--requirement", requirements], {
    maxBuffer: 1 << 26,
  });
  await writeFile(marker, wanted);
}
