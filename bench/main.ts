/** Runs every benchmark and writes bench/README.md. `node bench/main.ts system` runs one part and prints it. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { measureArchive } from "./archive.ts";
import { measureFailover } from "./failover.ts";
import { figureTable } from "./figure.ts";
import { measureMigrations } from "./migrations.ts";
import { measureMove } from "./move.ts";
import { measureRecovery } from "./recovery.ts";
import { measureSystem } from "./system.ts";

/** The part's figures as Markdown. */
type Part = () => Promise<string>;

const parts: Readonly<Record<string, Part>> = {
  system: async () => `## The system\n\n${figureTable(await measureSystem())}`,
  migrations: async () => `## Migrations over the fleet\n\n${figureTable(await measureMigrations())}`,
  archive: async () => `## A tenant's archive\n\n${figureTable(await measureArchive())}`,
  move: async () => `## A tenant that moves while it is written\n\n${figureTable(await measureMove())}`,
  failover: async () => `## Failover of a database server\n\n${figureTable(await measureFailover())}`,
  recovery: async () => `## Recovery of a region\n\n${figureTable(await measureRecovery())}`,
  requests: async () => {
    await runScript("requests.ts");
    const text = await readFile(new URL("./requests.md", import.meta.url), "utf8");
    return text.replace(/^# /, "## ");
  },
  proxy: async () => `## The balancer\n\n\`\`\`\n${await runScript("proxy.ts")}\`\`\`\n`,
};

/** Standard output of another benchmark without its JSON lines, for what is measured from a clean process. */
async function runScript(name: string): Promise<string> {
  const script = fileURLToPath(new URL(name, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [script], { maxBuffer: 1 << 26 });
  const lines = stdout.split("\n").filter((line) => !line.startsWith("{"));
  return `${lines.join("\n").trim()}\n`;
}

const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : Object.keys(parts);
const sections: string[] = [];
for (const name of names) {
  const part = parts[name];
  if (!part) throw new Error(`There is no benchmark "${name}"; there are ${Object.keys(parts).join(", ")}.`);
  const section = await part();
  console.log(section);
  sections.push(section);
}
if (wanted.length === 0) {
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GB, ${process.platform}, Node ${process.version}`;
  const head = `# Benchmarks\n\nEach figure beside its peer or limit, from one run of \`npm run bench\`. Machine: ${machine}. ${new Date().toISOString().slice(0, 10)}.\n`;
  await writeFile(new URL("./README.md", import.meta.url), `${[head, ...sections].join("\n").trim()}\n`);
}
