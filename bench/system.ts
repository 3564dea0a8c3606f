/**
 * The whole system as its users meet it: how soon it is up, how soon a new tenant is served, and what an idle
 * instance weighs. Each figure is set against its limit; the sign-ups also against the plain SQL that they need.
 */
import { readFile } from "node:fs/promises";
import { createSystem, type System } from "../test/support/system.ts";
import { type Figure, figure, median } from "./figure.ts";
import { plainTenantMilliseconds } from "./plain-tenant.ts";

const warmUps = 8;
const signupsPerPlan = { starter: 15, business: 15, enterprise: 3 } as const;
const limitMilliseconds = { starter: 100, business: 100, enterprise: 6000 } as const;
/** As people come: not all in the same second. */
const pauseBetweenSignupsMilliseconds = 1500;

/** Measures a fresh system; takes about two minutes. */
export async function measureSystem(): Promise<Figure[]> {
  const system = await createSystem();
  const figures: Figure[] = [];
  try {
    figures.push(
      figure({
        name: "`up`, cold",
        value: await timed(() => system.up()),
        unit: "s",
        limit: 15,
        scale: 1000,
      }),
    );
    await system.json("down");
    figures.push(
      figure({ name: "`up`, warm", value: await timed(() => system.up()), unit: "s", limit: 5, scale: 1000 }),
    );
    figures.push(await measureIdleMemory(system));
    // A fresh process's first sign-ups meet cold statements and code that is not compiled yet.
    for (let i = 0; i < warmUps; i++)
      await signUp(system, `warm-up-${i}`, i % 2 === 0 ? "starter" : "business");
    for (const plan of ["starter", "business", "enterprise"] as const)
      figures.push(await measureSignups(system, plan));
    figures.push(
      figure({
        name: "plain SQL for a schema tenant (no Rowhouse)",
        value: await plainTenantMilliseconds(system),
        unit: "ms",
      }),
    );
  } finally {
    await system.dispose();
  }
  return figures;
}

async function measureSignups(system: System, plan: keyof typeof signupsPerPlan): Promise<Figure> {
  const durations: number[] = [];
  for (let i = 0; i < signupsPerPlan[plan]; i++) {
    await new Promise((resolve) => setTimeout(resolve, pauseBetweenSignupsMilliseconds));
    durations.push(await signUp(system, `${plan}-${i}`, plan));
  }
  const name = `POST /v1/tenants?wait=1 to the first 200, plan ${plan}, median of ${durations.length}`;
  return figure({ name, value: median(durations), unit: "ms", limit: limitMilliseconds[plan] });
}

/** Milliseconds from the sign-up's request to the new tenant's first answer. */
async function signUp(system: System, slug: string, plan: string): Promise<number> {
  const body = JSON.stringify({
    slug,
    name: slug,
    region: "eu-west-1",
    plan,
    email: `owner@${slug}.example`,
  });
  return timed(async () => {
    const created = await system.api("/v1/tenants?wait=1", { method: "POST", body });
    if (created.status !== 201)
      throw new Error(`The sign-up answered ${created.status}: ${await created.text()}`);
    const first = await system.tenant(slug, "/api/books?limit=1");
    if (first.status !== 200) throw new Error(`The new tenant answered ${first.status}`);
    await first.body?.cancel();
  });
}

/** Resident memory of the app instances right after a start, the largest one. Linux: from /proc. */
async function measureIdleMemory(system: System): Promise<Figure> {
  const { regions } = await system.status();
  const pids = regions.flatMap((region) => region.fleets[0]?.instances ?? []).map((instance) => instance.pid);
  const sizes = await Promise.all(
    pids.map(
      async (pid) =>
        Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
    ),
  );
  return figure({
    name: "memory of an idle instance, the largest",
    value: Math.max(...sizes),
    unit: "MB",
    limit: 120,
  });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
