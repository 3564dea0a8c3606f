import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundleKeys } from "../../../src/aws/bundle.ts";
import type { PackedSoftware } from "../../../src/programs/aws/deploy/software.ts";
import { repository } from "../system.ts";
import { nodeArchive } from "./bundle.ts";

const run = promisify(execFile);

/**
 * What the emulator's machines run: the package as it is built to be published, on this machine's Node. Its
 * dependencies are a link to the clone's own, because every machine would unpack a hundred megabytes of them.
 */
export async function packForEmulator(folder: string): Promise<PackedSoftware> {
  await run(process.execPath, [join(repository, "build.ts"), folder]);
  const built = join(folder, "package");
  await symlink(join(repository, "node_modules"), join(built, "node_modules"));
  const { version } = JSON.parse(await readFile(join(built, "package.json"), "utf8")) as { version: string };
  const rowhouse = join(folder, "rowhouse.tgz");
  await run("tar", ["-czf", rowhouse, "-C", folder, "package"]);
  const node = await nodeArchive();
  const nodeFile = join(folder, "node.tar.xz");
  await writeFile(nodeFile, node.body);
  const nodeVersion = process.version.slice(1);
  const sha256 = createHash("sha256")
    .update(await readFile(rowhouse))
    .digest("hex");
  return {
    software: {
      node: { version: nodeVersion, sha256: { [process.arch]: node.sha256 } },
      rowhouse: { version, sha256 },
    },
    archives: [
      { key: bundleKeys.rowhouse(version), file: rowhouse, sha256 },
      {
        key: bundleKeys.node(nodeVersion, process.arch === "arm64" ? "arm64" : "x64"),
        file: nodeFile,
        sha256: node.sha256,
      },
    ],
  };
}
