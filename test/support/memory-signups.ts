import { EventEmitter, once } from "node:events";
import type { PagesDependencies, SignupOptions } from "../../src/api/pages.ts";
import type { SignupStatus, SignupStepStatus } from "../../src/control/region-control.ts";
import { fault } from "../../src/core/error.ts";
import { signupSteps } from "../../src/core/signup/steps.ts";

export interface MemorySignups {
  readonly signups: PagesDependencies["signups"];
  readonly taken: Set<string>;
  readonly started: string[];
  /** The next step of the newest sign-up runs, and the one before is done. */
  advance(): void;
  /** The running step fails; what was done is taken back. */
  fail(message: string): void;
  finish(): void;
  /** As if another server had taken the place of this one. */
  forget(): void;
}

export const signupOptions: SignupOptions = {
  domain: "bookshop.example",
  regions: [
    { name: "eu-west-1", jurisdiction: "EU" },
    { name: "us-east-1", jurisdiction: "US" },
  ],
  plans: [
    { name: "starter", isolation: "schema" },
    { name: "business", isolation: "database" },
    { name: "enterprise", isolation: "server" },
  ],
  tenantUrlPattern: "https://{slug}.bookshop.example/",
};

const notConfigured = new Set(["notify-crm", "notify-billing", "notify-support"]);

/** Sign-ups that a test moves by hand through the states that a region's control plane gives. */
export function createMemorySignups(): MemorySignups {
  const statuses = new Map<string, SignupStatus>();
  const keys = new Map<string, string>();
  const changes = new EventEmitter();
  const taken = new Set<string>();
  const started: string[] = [];
  const change = (edit: (status: SignupStatus) => Partial<SignupStatus>) => {
    const newest = statuses.get(started.at(-1) ?? "");
    if (!newest) throw new Error("No sign-up was started");
    statuses.set(newest.id, { ...newest, ...edit(newest) });
    changes.emit("change");
  };
  const done = (step: SignupStepStatus): SignupStepStatus => ({
    ...step,
    state: notConfigured.has(step.name) ? "not-configured" : "done",
  });
  return {
    taken,
    started,
    signups: {
      options: () => signupOptions,
      start: async ({ slug, region }, key) => {
        const known = statuses.get(keys.get(key ?? "") ?? "");
        if (known) return known;
        if (taken.has(slug)) throw fault("E_TENANT_SLUG_TAKEN");
        const id = `${region}.${started.length + 1}`;
        if (key !== undefined) keys.set(key, id);
        const steps = signupSteps.map(
          (step, index) => ({ ...step, state: index === 0 ? "running" : "waiting" }) as const,
        );
        const status = {
          id,
          slug,
          region,
          state: "running",
          steps,
          startedAt: new Date().toISOString(),
        } as const;
        statuses.set(id, status);
        started.push(id);
        return status;
      },
      status: async (id) => statuses.get(id),
      wait: async (id, seen, timeoutSeconds) => {
        const now = statuses.get(id);
        if (now && (countEvents(now) > seen || now.state !== "running")) return now;
        await once(changes, "change", { signal: AbortSignal.timeout(timeoutSeconds * 1000) }).catch(() => {});
        return statuses.get(id);
      },
    },
    advance: () =>
      change(({ steps }) => {
        const running = steps.findIndex((step) => step.state === "running");
        return {
          steps: steps.map((step, index) => {
            if (index === running) return done(step);
            return index === running + 1 ? { ...step, state: "running" } : step;
          }),
        };
      }),
    fail: (message) => {
      const error = fault("E_SIGNUP_FAILED", message).toJSON();
      change(({ steps }) => ({
        state: "undoing",
        error,
        steps: steps.map((step) => (step.state === "running" ? { ...step, state: "failed" } : step)),
      }));
      change(({ steps }) => ({
        state: "failed",
        steps: steps.map((step) => (step.state === "done" ? { ...step, state: "undone" } : step)),
      }));
    },
    finish: () => change(({ steps }) => ({ state: "completed", steps: steps.map(done) })),
    forget: () => statuses.clear(),
  };
}

/** How many events of its history a status stands for. */
function countEvents({ steps }: SignupStatus): number {
  const events = { waiting: 0, running: 0, done: 1, "not-configured": 1, failed: 1, undone: 2 };
  return steps.reduce((sum, step) => sum + events[step.state], 0);
}
