import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import type { ServerSoftware } from "./bundle.ts";
import type { ChefOptions } from "./chef.ts";
import { installScript } from "./install-script.ts";
import { type ServerProgram, userData } from "./user-data.ts";

const run = promisify(execFile);
const architecture = process.arch === "arm64" ? "arm64" : "x64";
const software: ServerSoftware = {
  node: { version: "26.10.0", sha256: { arm64: "a".repeat(64), x64: "b".repeat(64) } },
  rowhouse: { version: "1.2.3", sha256: "c".repeat(64) },
};
const base = { region: "eu-west-1", prefix: "shop", bucket: "shop-eu-west-1", software };
const programs: readonly ServerProgram[] = ["app", "worker", "controller", "control-plane"];
const chefs: Readonly<Record<string, ChefOptions | undefined>> = {
  "no Chef": undefined,
  "Chef with a server": {
    serverUrl: "https://chef.example/organizations/acme",
    runList: ["recipe[hardening::ssh]", "role[base]"],
    license: "accept",
  },
  "Chef alone": { runList: ["recipe[hardening]"] },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rowhouse-user-data-"));
});
afterAll(() => rm(folder, { recursive: true }));

function hasCloudInit(): boolean {
  try {
    execFileSync("cloud-init", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

interface CloudConfig {
  readonly write_files: readonly { readonly path: string; readonly content: string }[];
  readonly runcmd: readonly unknown[];
  readonly bootcmd?: readonly unknown[];
}

const fileOf = (text: string, path: string) =>
  (parse(text) as CloudConfig).write_files.find((file) => file.path === path)?.content ?? "";

describe("the user data", () => {
  describe.each(Object.entries(chefs))("with %s", (_, chef) => {
    // In CI cloud-init is there: it must not be skipped.
    it.skipIf(!hasCloudInit() && !process.env.CI).each(programs)(
      "is a valid cloud-config for %s",
      async (program) => {
        const path = join(folder, `${program}.yaml`);
        await writeFile(path, userData({ ...base, program, chef }));
        const { stdout } = await run("cloud-init", ["schema", "--config-file", path]);
        expect(stdout).toMatch(/^Valid cloud-config/m);
      },
    );

    it("fits into the 16 kB that EC2 takes", () => {
      expect(userData({ ...base, program: "control-plane", chef }).length).toBeLessThan(8_000);
    });
  });

  it("tells the program where it is", () => {
    const text = userData({ ...base, program: "worker" });
    expect(JSON.parse(fileOf(text, "/etc/rowhouse/machine.json"))).toEqual({
      region: "eu-west-1",
      prefix: "shop",
      bucket: "shop-eu-west-1",
      program: "worker",
      software,
    });
    expect(fileOf(text, "/etc/systemd/system/rowhouse.service")).toContain(
      "\nExecStart=/opt/rowhouse/node/bin/node /opt/rowhouse/app/dist/programs/aws/worker.js --machine /etc/rowhouse/machine.json\n",
    );
  });

  it("keeps what CloudFormation puts in later as it is, however long", () => {
    const bucket = `\${Token[${"x".repeat(200)}.12]}`;
    expect(userData({ ...base, bucket, program: "app" })).toContain(`bucket='${bucket}'`);
  });

  it("starts Rowhouse only after Chef's run has ended well", () => {
    const { runcmd, bootcmd } = parse(
      userData({ ...base, program: "app", chef: chefs["Chef alone"] }),
    ) as CloudConfig;
    expect(runcmd[0]).toMatch(/^chef-client --local-mode .* \|\| exit 1$/);
    expect(runcmd.at(-1)).toEqual(["systemctl", "enable", "--now", "--no-block", "rowhouse.service"]);
    expect(bootcmd?.[0]).toContain("s3://shop-eu-west-1/rowhouse/chef/cookbooks.tgz");
  });
});

describe("the install script", () => {
  const bucket = "a bucket's name";
  const hash = (content: Buffer) => createHash("sha256").update(content).digest("hex");

  /** An archive with one file below one outermost folder. */
  async function archive(name: string, text: string): Promise<Buffer> {
    await mkdir(join(folder, name, "outer"), { recursive: true });
    await writeFile(join(folder, name, "outer", name), text);
    await run("tar", ["-czf", join(folder, `${name}.tgz`), "-C", join(folder, name), "outer"]);
    return readFile(join(folder, `${name}.tgz`));
  }

  /** `aws s3 cp` from a folder in the bucket's place; each call is one line of the file `calls`. */
  async function makeAws(objects: Readonly<Record<string, Buffer>>): Promise<string> {
    const place = await mkdtemp(join(folder, "aws-"));
    for (const [key, content] of Object.entries(objects)) {
      await writeFile(join(place, key.replaceAll("/", "_")), content);
    }
    const text = `#!/bin/bash
[ "$1 $2 $3 $4 $5" = "s3 cp --only-show-errors --region eu-west-1" ] || exit 64
key="\${6#"s3://a bucket's name/"}"
echo "$key" >> ${place}/calls
exec cp "${place}/\${key//\\//_}" "$7"
`;
    await writeFile(join(place, "aws"), text);
    await chmod(join(place, "aws"), 0o755);
    return place;
  }

  async function prepare(change: { readonly sha256?: string } = {}) {
    const [node, app] = [await archive("node", "the node"), await archive("app", "the app")];
    const place = await makeAws({
      [`rowhouse/node-v26.10.0-linux-${architecture}.tar.xz`]: node,
      "rowhouse/rowhouse-1.2.3.tgz": app,
    });
    const text = installScript({
      region: "eu-west-1",
      bucket,
      software: {
        node: { version: "26.10.0", sha256: { [architecture]: hash(node) } },
        rowhouse: { version: "1.2.3", sha256: change.sha256 ?? hash(app) },
      },
    });
    const script = join(place, "install");
    const root = join(place, "root");
    await writeFile(script, text);
    return {
      script,
      root,
      calls: async () => (await readFile(join(place, "calls"), "utf8")).trim().split("\n"),
      run: () => run("bash", [script], { env: { PATH: `${place}:${process.env.PATH}`, ROOT: root } }),
    };
  }

  it("is a shell script without an error of syntax", async () => {
    const { script } = await prepare();
    await run("bash", ["-n", script]);
  });

  it("installs both, and nothing again when it is repeated", async () => {
    const prepared = await prepare();
    await prepared.run();
    expect(await readFile(join(prepared.root, "opt/rowhouse/node/node"), "utf8")).toBe("the node");
    expect(await readFile(join(prepared.root, "opt/rowhouse/app/app"), "utf8")).toBe("the app");
    await prepared.run();
    expect(await prepared.calls()).toHaveLength(2);
  });

  it("replaces another version, and what a broken run left", async () => {
    const prepared = await prepare();
    const home = join(prepared.root, "opt/rowhouse");
    await mkdir(join(home, "app"), { recursive: true });
    await mkdir(join(home, ".install.left"));
    await writeFile(join(home, "app/.sha256"), "d".repeat(64));
    await writeFile(join(home, "app/old"), "");
    await prepared.run();
    expect((await run("ls", ["-A", home])).stdout.trim().split("\n")).toEqual(["app", "node"]);
    expect((await run("ls", [join(home, "app")])).stdout.trim()).toBe("app");
  });

  it("refuses an archive with another hash, and leaves nothing of it", async () => {
    const prepared = await prepare({ sha256: "0".repeat(64) });
    await expect(prepared.run()).rejects.toMatchObject({
      stderr: expect.stringContaining("rowhouse-1.2.3.tgz does not have the SHA-256 0000"),
    });
    await expect(readFile(join(prepared.root, "opt/rowhouse/app/app"))).rejects.toThrow("ENOENT");
  });

  it("refuses a processor that the bundle has no Node for", async () => {
    const { root } = await prepare();
    const other = architecture === "x64" ? "arm64" : "x64";
    const text = installScript({
      region: "eu-west-1",
      bucket,
      software: { ...software, node: { version: "26.10.0", sha256: { [other]: "a".repeat(64) } } },
    });
    const env = { PATH: process.env.PATH, ROOT: root };
    await expect(run("bash", ["-c", text], { env })).rejects.toMatchObject({
      stderr: expect.stringContaining("there is no Node 26.10.0"),
    });
  });
});
