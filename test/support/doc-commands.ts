import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CliResult, repository } from "./system.ts";

/** Where a page's commands are run: any `System` is one. */
export interface CommandPlace {
  readonly stateDirectory: string;
  readonly config: string;
  readonly basePort: number;
}

/**
 * The commands of all ```sh blocks of a page, in order: `page` is a path in the repository. A command may go on over
 * lines that end in a backslash; lines of comment are left out. Fails when the page has none.
 */
export async function docCommands(page: string): Promise<string[]> {
  const commands = commandsOf(await readFile(join(repository, page), "utf8"));
  if (commands.length === 0) throw new Error(`${page} has no command in a \`\`\`sh block.`);
  return commands;
}

/** The same of a page's text. */
export function commandsOf(markdown: string): string[] {
  const blocks = [...markdown.matchAll(/^( *)```sh\n([\s\S]*?)^\1```$/gm)].map((match) => match[2] ?? "");
  return blocks.flatMap((block) =>
    block
      .replace(/\\\n\s*/g, "")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line !== "" && !line.startsWith("#")),
  );
}

/**
 * Runs a page's command by bash, in the repository's root. `rowhouse` and `bin/rowhouse` mean this clone's, on the
 * place's state folder, config and ports; so they may stand in pipes, too. `placeholders` says what stands in the page
 * and what it is here, like `{ "<id>": "bk-7" }` or `{ acme: "north" }`. Fails when a `<word>` is left over.
 */
export async function runDocCommand(
  place: CommandPlace,
  command: string,
  placeholders: Readonly<Record<string, string>> = {},
): Promise<CliResult> {
  const meant = Object.entries(placeholders).reduce((text, [from, to]) => text.replaceAll(from, to), command);
  const left = meant.match(/<[a-z][a-z -]*>/)?.[0];
  if (left) throw new Error(`Nothing says what ${left} is in: ${command}`);
  const script = `
    rowhouse() {
      if [ "$1" = up ]; then set -- "$@" --port "$PLACE_PORT"; fi
      "$PLACE_ROOT/bin/rowhouse" "$@" --state-dir "$PLACE_STATE" --config "$PLACE_CONFIG"
    }
    set -euo pipefail
    ${here(meant, place)}`;
  const child = spawn("bash", ["-c", script], {
    cwd: repository,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      PLACE_ROOT: repository,
      PLACE_PORT: String(place.basePort),
      PLACE_STATE: place.stateDirectory,
      PLACE_CONFIG: place.config,
    },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (stderr += text));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once("error", reject).once("close", resolve),
  );
  return { code, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
}

/** Ports of the documentation are counted from 8080. */
function here(command: string, { basePort }: CommandPlace): string {
  return command
    .replaceAll("bin/rowhouse", "rowhouse")
    .replace(/localhost:(8\d{3})/g, (_, port: string) => `localhost:${basePort + Number(port) - 8080}`);
}
