import { existsSync } from "node:fs";
import { join } from "node:path";
import type { StackDrift } from "../../ports/stacks.ts";
import { sharedServer } from "../data-platform.ts";
import { readServers } from "../postgres/server-state.ts";
import type { ProcessKind, ProcessTable } from "../processes.ts";
import { regionSettings, type Settings } from "../settings.ts";
import type { StateFolder } from "../state-folder.ts";

/** A process that a region should have. */
interface ExpectedProcess {
  /** Without the region's name. Instances have names of their own; here they are counted. */
  readonly id: string;
  readonly type: ProcessKind;
  readonly zone: string | null;
}

/** The processes that a region should have and has not. @throws E_REGION_UNKNOWN */
export async function missingProcesses(
  parts: { readonly folder: StateFolder; readonly settings: Settings; readonly processes: ProcessTable },
  region: string,
): Promise<ExpectedProcess[]> {
  const expected = await expectedProcesses(parts.folder, parts.settings, region);
  const records = (await parts.processes.list()).filter(({ name }) => name.startsWith(`${region}.`));
  const running = new Set(records.map(({ name }) => name.slice(region.length + 1)));
  let instances = records.filter(({ kind, labels }) => kind === "instance" && labels.fleet === "app").length;
  return expected.filter(({ id, type }) => (type === "instance" ? instances-- <= 0 : !running.has(id)));
}

/** The same as drift: a process that does not run is missing. */
export function toDrift({ id, type, zone }: ExpectedProcess): StackDrift {
  const where = zone === null ? "" : ` in zone ${zone}`;
  return { id, type, difference: "missing", detail: `should run${where} and does not` };
}

async function expectedProcesses(
  folder: StateFolder,
  settings: Settings,
  region: string,
): Promise<ExpectedProcess[]> {
  const { zones } = regionSettings(settings, region).region;
  const databases = join(folder.region(region), "databases");
  const known = existsSync(databases) ? await readServers(databases) : [];
  const servers = new Map([[sharedServer, zones.slice(0, 2)]]);
  for (const { name, nodes, phase } of known) {
    if (phase !== "deleting")
      servers.set(
        name,
        nodes.map(({ zone }) => zone),
      );
  }
  const nodes = [...servers].flatMap(([server, places]) =>
    places.map((zone): ExpectedProcess => ({ id: `postgres.${server}.${zone}`, type: "postgres", zone })),
  );
  const instances = Array.from(
    { length: settings.config.fleets.app.min },
    (_, index): ExpectedProcess => ({ id: `instance ${index + 1}`, type: "instance", zone: null }),
  );
  return [
    { id: "controller", type: "controller", zone: null },
    { id: "balancer", type: "balancer", zone: null },
    ...nodes,
    ...instances,
  ];
}
