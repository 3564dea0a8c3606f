import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import {
  DescribeInstanceAttributeCommand,
  EC2Client,
  type Instance,
  paginateDescribeInstances,
} from "@aws-sdk/client-ec2";
import type { AwsAccess } from "../../../src/aws/client.ts";
import { awsTags } from "../../../src/aws/resources.ts";
import { applyCloudConfig } from "./cloud-config.ts";
import { type MetadataService, startMetadataService } from "./metadata-service.ts";
import { startUnit, type Unit } from "./systemd-unit.ts";

/** A machine of the emulator that really runs: its program is a process here. */
export interface RunningMachine {
  readonly ec2InstanceId: string;
  /** Rowhouse's own id and fleet, from the tags; a controller has no id. */
  readonly instanceId: string | undefined;
  readonly fleet: string | undefined;
  /** Private address; loopback here, as `names.ts` maps it. */
  readonly address: string;
  /** The program's process, while it runs. */
  readonly pid: number | undefined;
  /** How often the program was started. */
  readonly starts: number;
  /** What it wrote, the installation's messages included. */
  readonly logFile: string;
  /** Its disk. */
  readonly root: string;
}

export interface Machines {
  /** Those that were booted and not terminated. */
  list(): readonly RunningMachine[];
  /** Cuts the power of all, and watches no more. */
  stop(): Promise<void>;
}

export interface StartMachinesOptions {
  /** To the emulator; the machines get its credentials from their role. */
  readonly access: AwsAccess;
  /** Gets a folder for each machine. */
  readonly workFolder: string;
  /** More of the programs' environment, such as ROWHOUSE_TEST_NAMES, or another AWS_ENDPOINT_URL. */
  readonly environment?: Readonly<Record<string, string>>;
}

const pollMilliseconds = 200;

/** Boots every machine of the emulator's region that has user data, until it is terminated. */
export async function startMachines(options: StartMachinesOptions): Promise<Machines> {
  const machines = new EmulatedMachines(options);
  await machines.start();
  return machines;
}

class EmulatedMachines implements Machines {
  readonly #options: StartMachinesOptions;
  readonly #ec2: EC2Client;
  readonly #stop = new AbortController();
  /** Every machine that was ever seen running, by its id at EC2; `undefined` for one without user data. */
  readonly #known = new Map<string, Promise<BootedMachine | undefined>>();
  readonly #booted = new Map<string, BootedMachine>();
  readonly #ending = new Set<Promise<void>>();
  #watching: Promise<void> = Promise.resolve();

  constructor(options: StartMachinesOptions) {
    this.#options = options;
    this.#ec2 = new EC2Client(options.access);
  }

  async start(): Promise<void> {
    await installTools(this.#toolFolder);
    this.#watching = this.#watch();
  }

  list(): readonly RunningMachine[] {
    return [...this.#booted.values()];
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#watching;
    await Promise.all([...this.#known.values()]);
    await Promise.all([...this.#booted.values()].map((machine) => machine.powerOff()));
    await Promise.all(this.#ending);
    this.#ec2.destroy();
  }

  get #toolFolder(): string {
    return join(this.#options.workFolder, "bin");
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) => {
        if (!signal.aborted) process.stderr.write(`The emulator's machines can't be seen: ${error}\n`);
      });
      await sleep(pollMilliseconds, undefined, { signal }).catch(() => {});
    }
  }

  async #look(): Promise<void> {
    const alive = new Set<string>();
    for await (const { Reservations } of paginateDescribeInstances({ client: this.#ec2 }, {})) {
      for (const instance of Reservations?.flatMap(({ Instances }) => Instances ?? []) ?? []) {
        const id = instance.InstanceId ?? "";
        if (instance.State?.Name !== "running") continue;
        alive.add(id);
        if (!this.#known.has(id)) this.#known.set(id, this.#boot(id, instance));
      }
    }
    for (const [id, machine] of this.#booted) {
      if (alive.has(id)) continue;
      this.#booted.delete(id);
      const ended = machine.shutDown().finally(() => this.#ending.delete(ended));
      this.#ending.add(ended);
    }
  }

  async #boot(id: string, instance: Instance): Promise<BootedMachine | undefined> {
    try {
      const { UserData } = await this.#ec2.send(
        new DescribeInstanceAttributeCommand({ InstanceId: id, Attribute: "userData" }),
      );
      const userData = Buffer.from(UserData?.Value ?? "", "base64").toString();
      if (userData === "") return undefined;
      const machine = await BootedMachine.boot(instance, userData, this.#options, this.#toolFolder);
      this.#booted.set(id, machine);
      return machine;
    } catch (error) {
      process.stderr.write(`The machine ${id} does not boot: ${error}\n`);
      return undefined;
    }
  }
}

class BootedMachine implements RunningMachine {
  readonly ec2InstanceId: string;
  readonly instanceId: string | undefined;
  readonly fleet: string | undefined;
  readonly address: string;
  readonly logFile: string;
  readonly root: string;
  readonly #units: readonly Unit[];
  readonly #metadata: MetadataService;

  private constructor(
    about: Pick<RunningMachine, "ec2InstanceId" | "address" | "logFile" | "root">,
    tags: Readonly<Record<string, string>>,
    units: readonly Unit[],
    metadata: MetadataService,
  ) {
    this.ec2InstanceId = about.ec2InstanceId;
    this.address = about.address;
    this.logFile = about.logFile;
    this.root = about.root;
    this.instanceId = tags[awsTags.instance];
    this.fleet = tags[awsTags.fleet];
    this.#units = units;
    this.#metadata = metadata;
  }

  static async boot(
    instance: Instance,
    userData: string,
    { access, workFolder, environment }: StartMachinesOptions,
    toolFolder: string,
  ): Promise<BootedMachine> {
    const ec2InstanceId = instance.InstanceId ?? "";
    const address = instance.PrivateIpAddress ?? "";
    const tags = Object.fromEntries((instance.Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value]));
    const root = join(workFolder, ec2InstanceId);
    const logFile = join(workFolder, `${tags.Name ?? ec2InstanceId}.log`);
    const zone = (instance.Placement?.AvailabilityZone ?? "").slice(access.region.length);
    const metadata = await startMetadataService({
      ...{ instanceId: ec2InstanceId, region: access.region, zone, address, tags },
      ...(access.credentials ? { credentials: access.credentials } : {}),
    });
    const files = await applyCloudConfig(userData, root);
    const unitEnvironment = {
      PATH: `${toolFolder}:${process.env.PATH}`,
      HOME: root,
      ROOT: root,
      NODE_OPTIONS: `--import ${pathToFileURL(fileURLToPath(new URL("names.ts", import.meta.url)))}`,
      ROWHOUSE_TEST_NAMES: join(workFolder, "names.json"),
      AWS_EC2_METADATA_SERVICE_ENDPOINT: metadata.endpoint,
      ...(access.endpoint ? { AWS_ENDPOINT_URL: access.endpoint } : {}),
      ...environment,
    };
    const units = await Promise.all(
      files.map((file) => startUnit({ file, root, environment: unitEnvironment, logFile })),
    );
    return new BootedMachine({ ec2InstanceId, address, logFile, root }, tags, units, metadata);
  }

  get pid(): number | undefined {
    return this.#units[0]?.pid;
  }

  get starts(): number {
    return this.#units[0]?.starts ?? 0;
  }

  async shutDown(): Promise<void> {
    await Promise.all(this.#units.map((unit) => unit.stop()));
    await this.#metadata.stop();
  }

  async powerOff(): Promise<void> {
    await Promise.all(this.#units.map((unit) => unit.stop({ power: "off" })));
    await this.#metadata.stop();
  }
}

/** The commands that the machines' image has, where this machine does not. */
async function installTools(folder: string): Promise<void> {
  const program = fileURLToPath(new URL("aws-program.ts", import.meta.url));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "aws"), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  await chmod(join(folder, "aws"), 0o755);
}
