import { link, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ResidencyReport } from "../../src/control/residency/report.ts";
import { canaryKinds, harmlessKinds } from "../../src/core/residency/kinds.ts";
import { docCommands, runDocCommand } from "../support/doc-commands.ts";
import { createSystem, type System } from "../support/system.ts";

describe("the residency check and the end of a tenant", () => {
  let system: System;
  beforeAll(async () => {
    system = await createSystem();
    await system.up();
    for (const [slug, region] of [
      ["acme", "eu-west-1"],
      ["globex", "us-east-1"],
    ] as const)
      await system.json(
        ...["tenant", "create", slug, "--name", slug, "--region", region, "--plan", "starter"],
        ...["--email", `someone@${slug}.example`],
      );
  }, 240_000);
  afterAll(() => system.dispose(), 120_000);

  it("finds what it planted in a tenant's own region, and nowhere else", async () => {
    const result = await system.cli("doctor", "--residency", "--json");
    const report = result.json<ResidencyReport>();
    expect(report.findings).toEqual([]);
    expect(report).toMatchObject({ ok: true, notSearched: [] });
    expect(result.code).toBe(0);
    expect(report.tenants.map(({ region }) => region)).toEqual(["eu-west-1", "us-east-1"]);
    // What the search can't see at home it could not see elsewhere either.
    for (const tenant of report.tenants) expect(tenant).toMatchObject({ planted: canaryKinds, unseen: [] });
    const searched = new Set(report.searched.map(({ where, store }) => `${where}: ${store}`));
    for (const where of ["eu-west-1", "us-east-1", "control plane"])
      for (const store of ["database rows", "database files", "logs", "other files"])
        expect(searched).toContain(`${where}: ${store}`);
    expect(searched).toContain("us-east-1: objects");
    for (const { slug } of report.tenants)
      expect(await system.json("tenant", "show", slug)).toMatchObject({ state: "closed", name: null });
  }, 300_000);

  it("finds a tenant's log line in another region's log, and fails by it", async () => {
    // A leak as a shipper of logs would make it: what eu-west-1's instances write appears in us-east-1, too.
    const logs = join(system.stateDirectory, "logs");
    const written = (await readdir(logs)).filter((name) => name.startsWith("eu-west-1.instance."));
    for (const name of written) await link(join(logs, name), join(logs, `us-east-1.shipped-${name}`));
    const result = await system.cli("doctor", "--residency", "--tenant", "acme", "--json");
    for (const name of written) await rm(join(logs, `us-east-1.shipped-${name}`));
    const report = result.json<ResidencyReport>();
    expect(report.tenants).toMatchObject([{ slug: "acme", planted: harmlessKinds }]);
    expect(report.findings).toEqual([
      expect.objectContaining({
        ...{ kind: "log", slug: "acme", from: "eu-west-1", foundIn: "us-east-1", form: "text" },
        place: expect.stringMatching(/^logs\/us-east-1\.shipped-/),
      }),
    ]);
    expect([report.ok, result.code]).toEqual([false, 1]);
  }, 300_000);

  it("closes tenants as docs/closing.md says", async () => {
    for (const command of await docCommands("docs/closing.md")) {
      const { code, stderr, stdout } = await runDocCommand(system, command, {
        "/tmp/acme.zip": join(system.folder, "acme.zip"),
      });
      expect(`${command}: ${code} ${code === 0 ? "" : stderr + stdout}`).toBe(`${command}: 0 `);
    }
    const acme = await system.json<{ export: object; removed: object; genuine: boolean }>(
      ...["tenant", "certificate", "acme"],
    );
    expect(acme).toMatchObject({
      genuine: true,
      askedBy: "first",
      export: { kept: true },
      removed: {
        profile: { counts: { profiles: 1, administrators: 1 } },
        workflows: { counts: { workflows: 1 } },
      },
    });
    expect(await system.json("tenant", "certificate", "globex")).toMatchObject({ export: { kept: false } });
    const again = await system.cli("tenant", "close", "acme", "--yes", "--json");
    expect(again.json()).toMatchObject({ error: { code: "E_TENANT_STATE" } });
    const none = await system.cli(
      "tenant",
      "export",
      "globex",
      "--to",
      join(system.folder, "x.zip"),
      "--json",
    );
    expect(none.json()).toMatchObject({ error: { code: "E_NOT_FOUND" } });
  }, 300_000);

  it("is documented by commands that there are", async () => {
    const commands = await docCommands("docs/residency.md");
    expect(commands).toEqual([
      "bin/rowhouse doctor --residency",
      "bin/rowhouse doctor --residency --tenant acme",
    ]);
  });
});
