import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { processIdentity } from "../../../src/embedded/process-identity.ts";
import { type ProcessRecord, ProcessTable } from "../../../src/embedded/processes.ts";
import { StateFolder } from "../../../src/embedded/state-folder.ts";
import { signalNode } from "../../support/database-machine.ts";
import { signalIfAlive } from "../../support/signal-if-alive.ts";
import { alone, bringUp, type Stage, until } from "./operate.ts";
import type { Action, faultKinds } from "./plan.ts";
import { pick } from "./random.ts";

/** Does one thing, and says what it came to. */
export type Perform = (stage: Stage, action: Action) => Promise<string>;

/** A primary that hangs is left so for as long; by then another one should serve. */
const stopSeconds = 8;

export const faults: Readonly<Record<(typeof faultKinds)[number], Perform>> = {
  "kill-instance": (stage, action) => killOne(stage, action, "instance"),
  "kill-balancer": (stage, action) => killOne(stage, action, "balancer"),
  "kill-controller": (stage, action) => killOne(stage, action, "controller"),
  "kill-supervisor": (stage) =>
    alone(stage, async () => {
      const { pid } = await until("the supervisor's pid", () => stage.world.system.status());
      signalIfAlive(pid, "SIGKILL");
      await bringUp(stage);
      return `pid ${pid}, and up again`;
    }),
  "kill-primary": async (stage, action) => {
    const victim = await nodeOf(stage, action, true);
    signalIfAlive(victim.pid, "SIGKILL");
    return victim.name;
  },
  "kill-replica": async (stage, { choice }) => {
    const replicas = (await processes(stage, "postgres")).filter((node) => !isOfPair(node));
    const victim = pick(replicas, choice);
    if (!victim) return "no replica runs";
    signalIfAlive(victim.pid, "SIGKILL");
    return victim.name;
  },
  "kill-standby": async (stage, action) => {
    const victim = await nodeOf(stage, action, false);
    signalIfAlive(victim.pid, "SIGKILL");
    return victim.name;
  },
  "stop-primary": async (stage, action) => {
    const victim = await nodeOf(stage, action, true);
    signalNode(victim.pid, "SIGSTOP");
    const another = await until(
      "another primary",
      async () => (await primaryZone(stage, victim)) !== victim.labels.zone && "another one serves",
      stopSeconds,
    ).catch(() => "nobody took its place");
    if (processIdentity(victim.pid) === victim.identity) signalNode(victim.pid, "SIGCONT");
    return `${victim.name}: ${another}`;
  },
};

async function killOne(stage: Stage, { choice }: Action, kind: ProcessRecord["kind"]): Promise<string> {
  const victim = pick(await processes(stage, kind), choice);
  if (!victim) return `no ${kind} runs`;
  signalIfAlive(victim.pid, "SIGKILL");
  return victim.name;
}

async function processes({ world }: Stage, kind: ProcessRecord["kind"]): Promise<ProcessRecord[]> {
  const records = await new ProcessTable(new StateFolder(world.system.stateDirectory)).list(kind);
  return records.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** A node of any pair, the directory's too: the primary, or the other one. */
async function nodeOf(stage: Stage, { choice }: Action, isPrimary: boolean): Promise<ProcessRecord> {
  const nodes = (await processes(stage, "postgres")).filter(isOfPair);
  const zones = await Promise.all(nodes.map((node) => primaryZone(stage, node)));
  const fitting = nodes.filter((node, index) => (zones[index] === node.labels.zone) === isPrimary);
  const victim = pick(fitting, choice);
  if (!victim) throw new Error(`There is no ${isPrimary ? "primary" : "standby"} just now.`);
  return victim;
}

/** A primary or standby, like `eu-west-1.postgres.shared-1.a`; and no recovery region's replica. */
const isOfPair = ({ name }: ProcessRecord): boolean => name.split(".")[1] === "postgres";

/** Which zone has the primary of this node's server. */
async function primaryZone({ world }: Stage, node: ProcessRecord): Promise<string> {
  const [owner = "", , server = ""] = node.name.split(".");
  const folder = join(world.system.stateDirectory, owner === "global" ? owner : join("regions", owner));
  const text = await readFile(join(folder, "databases", server, "server.json"), "utf8");
  return (JSON.parse(text) as { primary: string }).primary;
}
