import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { AwsAccess } from "../../aws/client.ts";
import { type Machine, readMachine } from "../../aws/machine.ts";
import { createSystemClock } from "../../node/clock.ts";
import { readArguments } from "../arguments.ts";

const machineFileSchema = z.looseObject({ region: z.string(), prefix: z.string(), bucket: z.string() });

/** What a server on AWS is told by its user data; all else is in the bucket. */
type MachineFile = z.output<typeof machineFileSchema>;

/** What the program's server is: by the file that `--machine` names, and by its own metadata. */
export async function openMachine(): Promise<{
  readonly machine: MachineFile;
  readonly self: Machine;
  readonly access: AwsAccess;
}> {
  const { machine: path } = readArguments("machine");
  const machine = machineFileSchema.parse(JSON.parse(await readFile(path, "utf8")));
  const endpoint = process.env.AWS_ENDPOINT_URL;
  const self = await readMachine({
    endpoint: process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT,
    clock: createSystemClock(),
  });
  return { machine, self, access: { region: machine.region, ...(endpoint ? { endpoint } : {}) } };
}

/** The server's own disk for the program, which systemd makes and names. */
export function stateFolder(): string {
  return process.env.STATE_DIRECTORY ?? "/var/lib/rowhouse";
}
