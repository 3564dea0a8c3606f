import { appendFile, mkdir, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { startCli } from "../../../test/support/cli.ts";

const folders: string[] = [];
let state: string;
let logs: string;

beforeEach(async () => {
  state = await mkdtemp(join(tmpdir(), "rowhouse-test-logs-"));
  folders.push(state);
  logs = join(state, "logs");
  await mkdir(logs);
});
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

function line(second: number, message: string, fields: Record<string, unknown> = {}): string {
  const time = new Date(Date.UTC(2030, 0, 1, 0, 0, second)).toISOString();
  return `${JSON.stringify({ time, level: "info", message, ...fields })}\n`;
}

function start(...words: string[]) {
  return startCli(["logs", ...words, "--state-dir", state], { workingDirectory: "/" });
}

async function run(...words: string[]) {
  const cli = start(...words);
  return { exitCode: await cli.exitCode, stdout: cli.stdout() };
}

async function messages(...words: string[]): Promise<string[]> {
  const entries = JSON.parse((await run(...words, "--json")).stdout) as { message: string }[];
  return entries.map((entry) => entry.message);
}

describe("logs", () => {
  it("merges all files by time, rotated ones included", async () => {
    await writeFile(join(logs, "a.log"), line(3, "third") + line(5, "fifth"));
    await writeFile(join(logs, "a.log.1"), line(1, "first"));
    await writeFile(join(logs, "b.log"), line(2, "second") + line(4, "fourth"));
    await writeFile(join(logs, "notes.txt"), "no log");
    expect(await messages()).toEqual(["first", "second", "third", "fourth", "fifth"]);
    expect(await messages("--lines", "2")).toEqual(["fourth", "fifth"]);
    expect(await messages("--lines", "99")).toHaveLength(5);
  });

  it("keeps text without a time beside the line before it", async () => {
    await writeFile(
      join(logs, "a.log"),
      `${line(1, "failed")}  at somewhere\n{"half":\n${line(4, "went on")}`,
    );
    await writeFile(join(logs, "b.log"), line(2, "meanwhile"));
    expect(await messages()).toEqual(["failed", "  at somewhere", '{"half":', "meanwhile", "went on"]);
  });

  it("shows one tenant alone", async () => {
    await writeFile(
      join(logs, "a.log"),
      line(1, "hers", { tenant: "acme" }) + line(2, "his", { tenant: "zeta" }) + line(3, "all"),
    );
    expect(await messages("--tenant", "acme")).toEqual(["hers"]);
    expect(await messages("--tenant", "nobody")).toEqual([]);
  });

  it("formats a line for people, and lets nothing through that a terminal would obey", async () => {
    const fields = { tenant: "acme", status: 200, path: "/a b", evil: "\u001b[2J\u009b" };
    await writeFile(join(logs, "eu.web-1.log"), line(1, "took \u001b[31mlong\r\nline", fields));
    expect((await run()).stdout).toBe(
      '2030-01-01T00:00:01.000Z eu.web-1 info [acme] took long line status=200 path="/a b" evil="\\u001b[2J\ufffd"\n',
    );
  });

  it("has nothing to show before the first start", async () => {
    await rm(logs, { recursive: true });
    expect(await run()).toEqual({ exitCode: 0, stdout: "" });
    expect(await run("--json")).toEqual({ exitCode: 0, stdout: "[]\n" });
  });

  it("refuses to follow as one JSON document", async () => {
    const { exitCode, stdout } = await run("--follow", "--json");
    expect(exitCode).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: "E_ARGUMENT" } });
  });
});

describe("logs --follow", () => {
  function shown(cli: ReturnType<typeof start>): string[] {
    return cli
      .stdout()
      .split("\n")
      .slice(0, -1)
      .map((text) => text.split(" ").at(-1) ?? "");
  }

  it("goes on through growth, new files, rotation and truncation, and loses and repeats nothing", async () => {
    const file = join(logs, "a.log");
    await writeFile(file, Array.from({ length: 30 }, (_, i) => line(i, `old-${i}`)).join(""));
    const cli = start("--follow");
    await expect.poll(() => shown(cli)).toEqual(Array.from({ length: 20 }, (_, i) => `old-${i + 10}`));
    const expected = shown(cli);
    const follow = async (...words: string[]) => {
      expected.push(...words);
      await expect.poll(() => shown(cli), { timeout: 5000 }).toEqual(expected);
    };
    await appendFile(file, line(40, "grown"));
    await follow("grown");

    const halves = Buffer.from(line(41, "häl") + line(42, "whole"));
    const cut = halves.indexOf("ä") + 1;
    await appendFile(file, halves.subarray(0, cut));
    await appendFile(file, halves.subarray(cut));
    await follow("häl", "whole");

    await writeFile(join(logs, "b.log"), line(43, "new-file"));
    await follow("new-file");

    await appendFile(file, line(44, "last-before"));
    await rename(file, `${file}.1`);
    await writeFile(file, line(45, "first-after"));
    await follow("last-before", "first-after");

    await truncate(file);
    await follow();
    await appendFile(file, line(46, "cut"));
    await follow("cut");

    cli.signal("SIGINT");
    expect(await cli.exitCode).toBe(0);
  });

  it("follows one tenant", async () => {
    await writeFile(join(logs, "a.log"), line(1, "hers", { tenant: "acme" }));
    const cli = start("--follow", "--tenant", "acme", "--lines", "1");
    await expect.poll(() => shown(cli)).toEqual(["hers"]);
    await appendFile(
      join(logs, "a.log"),
      line(2, "his", { tenant: "zeta" }) + line(3, "again", { tenant: "acme" }),
    );
    await expect.poll(() => shown(cli)).toEqual(["hers", "again"]);
    cli.signal("SIGTERM");
    expect(await cli.exitCode).toBe(0);
  });
});
