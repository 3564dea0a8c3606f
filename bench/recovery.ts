/** A region of many tenants is killed as a whole and comes back in its recovery region, which runs already or not. */
import type { FailOverOutcome } from "../src/control/recovery/outcome.ts";
import { loseRegion, processesOfRegion } from "../test/support/lost-region.ts";
import { createSystem, type System } from "../test/support/system.ts";
import { type Figure, figure } from "./figure.ts";

const tenants = 200;
const signupsAtOnce = 4;
const region = "eu-west-1";
const recovery = "eu-central-1";
const rtoLimitSeconds = 10;
const patienceMilliseconds = 60_000;

export async function measureRecovery(): Promise<Figure[]> {
  const stopped = await failOverOnce(false);
  const running = await failOverOnce(true);
  return [
    figure({
      name: `region of ${tenants} \`schema\` tenants killed, recovery region running: RTO`,
      value: running.rtoSeconds,
      unit: "s",
      limit: rtoLimitSeconds,
    }),
    figure({ name: "the same: RPO at most", value: running.rpoSeconds ?? Number.NaN, unit: "s" }),
    figure({
      name: "the same, recovery region never started before: RTO",
      value: stopped.rtoSeconds,
      unit: "s",
      limit: rtoLimitSeconds,
    }),
    figure({ name: "the same: RPO at most", value: stopped.rpoSeconds ?? Number.NaN, unit: "s" }),
  ];
}

async function failOverOnce(isRunning: boolean): Promise<FailOverOutcome> {
  const system = await createSystem();
  try {
    await system.up();
    if (isRunning) await system.json("region", "create", recovery);
    await signUpAll(system);
    await untilFollowed(system);
    const loss = await loseRegion(system, region);
    const outcome = await system
      .json<FailOverOutcome>("region", "fail-over", region, "--yes")
      .finally(() => loss.stop());
    if (outcome.tenants !== tenants) throw new Error(`${outcome.tenants} of ${tenants} tenants came back.`);
    await expectServed(system);
    return outcome;
  } finally {
    await system.dispose();
  }
}

async function signUpAll(system: System): Promise<void> {
  const slugs = Array.from({ length: tenants }, (_, index) => `tenant-${index}`).values();
  const one = async (): Promise<void> => {
    for (const slug of slugs) {
      const body = JSON.stringify({ slug, name: slug, region, plan: "starter", email: `o@${slug}.example` });
      const response = await system.api("/v1/tenants?wait=1", { method: "POST", body });
      if (response.status !== 201) throw new Error(`${slug}: ${response.status} ${await response.text()}`);
      await response.body?.cancel();
    }
  };
  await Promise.all(Array.from({ length: signupsAtOnce }, one));
}

/** The standby is there, and has had the time of a few heartbeats. */
async function untilFollowed(system: System): Promise<void> {
  const deadline = performance.now() + patienceMilliseconds;
  const follows = async () =>
    (await processesOfRegion(system, recovery)).some(({ name }) => name.includes(".replica."));
  while (!(await follows())) {
    if (performance.now() > deadline) throw new Error("No standby came up in time.");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await new Promise((resolve) => setTimeout(resolve, 3000));
}

async function expectServed(system: System): Promise<void> {
  for (let index = 0; index < tenants; index++) {
    const { status, body } = await system.tenant(`tenant-${index}`, "/api/books?limit=1");
    await body?.cancel();
    if (status !== 200) throw new Error(`tenant-${index} answers ${status} after the failover.`);
  }
}
