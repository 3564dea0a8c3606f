import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSystem, type System } from "../support/system.ts";

/** The README's shell blocks that are marked as part of the tour. */
async function tourBlocks(): Promise<string[]> {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  return [...readme.matchAll(/<!-- tour -->\n```sh\n([\s\S]*?)```/g)].map((match) => match[1] ?? "");
}

/** The same commands on ports and a state folder that are free. */
function relocate(block: string, system: System): string {
  const { basePort } = system;
  return block
    .replace(/localhost:80(\d\d)/g, (_, last: string) => `localhost:${basePort - 80 + Number(last)}`)
    .replaceAll("bin/rowhouse up --detach", `bin/rowhouse up --detach --port ${basePort}`)
    .replace(
      /bin\/rowhouse [^\n|)]*[^\s|)]/g,
      (command) => `${command} --state-dir ${system.stateDirectory}`,
    );
}

describe("the README's tour", () => {
  let system: System;
  beforeAll(async () => {
    system = await createSystem();
  });
  afterAll(() => system.dispose(), 60_000);

  it("works as it stands, command by command", async () => {
    const blocks = await tourBlocks();
    expect(blocks.length).toBeGreaterThanOrEqual(6);
    const outputs: string[] = [];
    for (const block of blocks) {
      const script = `set -euo pipefail\n${relocate(block, system)}`;
      const { stdout } = await promisify(execFile)("bash", ["-c", script], {
        cwd: new URL("../../", import.meta.url),
      });
      outputs.push(stdout);
    }
    const [signedUp = "", books = "", wrongRegion = "", killed = "", outlived = "", end = ""] = outputs;
    expect(signedUp).toMatch(/acme[\s\S]*globex/);
    expect(books).toContain('"title":"Middlemarch"');
    expect(books.split("\n").slice(1).join("")).not.toContain("Middlemarch");
    expect(wrongRegion).toMatch(/^HTTP\/1\.1 421/);
    expect(killed).toContain("eu-west-1");
    expect(outlived).toMatch(/primary in zone b[\s\S]*acme-copy/);
    expect(end).toMatch(/[Ss]topped/);
  }, 180_000);
});
