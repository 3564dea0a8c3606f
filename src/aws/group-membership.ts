import {
  AttachInstancesCommand,
  type AutoScalingClient,
  DetachInstancesCommand,
} from "@aws-sdk/client-auto-scaling";
import type { Instance } from "@aws-sdk/client-ec2";
import type { Clock } from "../ports/clock.ts";

type Log = (entry: { readonly level: "warn"; readonly message: string }) => void;

/** EC2 Auto Scaling writes it on members itself, also on those that were attached. */
const groupTag = "aws:autoscaling:groupName";
/** What a group refuses, because it is full or changing, is asked of it again after so long. */
const pauseMilliseconds = 60_000;

/**
 * Keeps a fleet's machines in the fleet's Auto Scaling group, which shows them together and sums up their metrics. The
 * group decides nothing: its stack suspends what would launch, terminate or replace. So its refusal stops nobody.
 */
export class GroupMembership {
  readonly #autoScaling: AutoScalingClient;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #pausedUntil = new Map<string, number>();

  constructor(parts: { readonly autoScaling: AutoScalingClient; readonly clock: Clock; readonly log: Log }) {
    this.#autoScaling = parts.autoScaling;
    this.#clock = parts.clock;
    this.#log = parts.log;
  }

  /** Brings a machine in once it runs, which is a condition of EC2 Auto Scaling, and takes out one that has ended. */
  async follow(machine: Instance, group: string): Promise<void> {
    const state = machine.State?.Name;
    if (state === "running" && !groupOf(machine)) {
      await this.#ask(machine, `join ${group}`, (InstanceIds) =>
        this.#autoScaling.send(new AttachInstancesCommand({ AutoScalingGroupName: group, InstanceIds })),
      );
    } else if (state === "terminated" || state === "shutting-down") {
      await this.leave(machine);
    }
  }

  /**
   * Takes a machine out, and lowers the group's desired size with it. It has to leave before it is terminated: a group
   * whose process `Terminate` is suspended keeps its members in service.
   * Source: EC2 Auto Scaling, "Considerations for suspending processes".
   */
  async leave(machine: Instance): Promise<void> {
    const group = groupOf(machine);
    if (group === undefined) return;
    await this.#ask(machine, `leave ${group}`, (InstanceIds) =>
      this.#autoScaling.send(
        new DetachInstancesCommand({
          AutoScalingGroupName: group,
          InstanceIds,
          ShouldDecrementDesiredCapacity: true,
        }),
      ),
    );
  }

  async #ask(machine: Instance, wish: string, send: (ids: string[]) => Promise<unknown>): Promise<void> {
    const { InstanceId: id = "" } = machine;
    const key = `${id} ${wish}`;
    const now = this.#clock.elapsedMilliseconds();
    for (const [paused, until] of this.#pausedUntil) if (until <= now) this.#pausedUntil.delete(paused);
    if (this.#pausedUntil.has(key)) return;
    try {
      await send([id]);
    } catch (error) {
      this.#pausedUntil.set(key, now + pauseMilliseconds);
      this.#log({ level: "warn", message: `The machine ${id} can't ${wish}: ${error}` });
    }
  }
}

function groupOf(machine: Instance): string | undefined {
  return machine.Tags?.find(({ Key }) => Key === groupTag)?.Value;
}
