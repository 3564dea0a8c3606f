import { randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type { SignupInput, SignupStatus, SignupStepStatus } from "../../../src/control/region-control.ts";
import { fault } from "../../../src/core/error.ts";
import { signupSteps } from "../../../src/core/signup/steps.ts";
import type { MemoryRegionPlace } from "./place.ts";

interface Signup {
  readonly id: string;
  readonly input: SignupInput;
  readonly startedAt: string;
  finished: number;
  state: SignupStatus["state"];
}

/** A memory region's sign-ups, which go one step per `step()`. */
export class MemoryRegionSignups {
  /** False: sign-ups stand still until a test calls `step`. */
  automatic = true;
  /** Where sign-ups fail. */
  failingStep: string | undefined;
  readonly #place: MemoryRegionPlace;
  readonly #activate: (input: SignupInput) => Promise<void>;
  readonly #signups = new Map<string, Signup>();
  readonly #waiters: (() => void)[] = [];

  /** `activate` is the last step's work. */
  constructor(place: MemoryRegionPlace, activate: (input: SignupInput) => Promise<void>) {
    this.#place = place;
    this.#activate = activate;
  }

  /** How many wait for a sign-up's next step just now. */
  get waiting(): number {
    return this.#waiters.length;
  }

  async start(input: SignupInput, idempotencyKey: string = randomUUID()): Promise<SignupStatus> {
    const { name, directory, isolationOf } = this.#place;
    const id = `${name}.${idempotencyKey}`;
    const known = this.#signups.get(id);
    if (known) {
      if (!isDeepStrictEqual(known.input, input)) throw fault("E_IDEMPOTENCY_KEY_REUSED");
      return statusOf(known);
    }
    const { slug, region, plan } = input;
    await directory.reserve({ slug, region, plan, isolation: isolationOf(plan), signupId: id });
    const signup: Signup = { id, input, startedAt: new Date().toISOString(), finished: 1, state: "running" };
    this.#signups.set(id, signup);
    if (this.automatic) void this.#runToEnd(signup);
    return statusOf(signup);
  }

  find(id: string): SignupStatus | undefined {
    const signup = this.#signups.get(id);
    return signup && statusOf(signup);
  }

  /** The status once more than `seen` steps have finished, or when the time is over. */
  async wait(query: { id: string; seen: number; timeoutSeconds: number }): Promise<SignupStatus | undefined> {
    const signup = this.#signups.get(query.id);
    if (signup && signup.state === "running" && signup.finished <= query.seen) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, query.timeoutSeconds * 1000);
        this.#waiters.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return signup && statusOf(signup);
  }

  /** Finishes the next step of the sign-up. */
  async step(id: string): Promise<void> {
    const signup = this.#signups.get(id);
    if (signup?.state !== "running") throw new Error(`${id} does not run`);
    const step = signupSteps[signup.finished];
    if (step?.name === this.failingStep) {
      signup.state = "failed";
      await this.#place.directory.release(signup.input.slug, id);
    } else {
      if (signup.finished === signupSteps.length - 1) await this.#activate(signup.input);
      signup.finished++;
      if (signup.finished === signupSteps.length) signup.state = "completed";
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }

  async #runToEnd(signup: Signup): Promise<void> {
    while (signup.state === "running") await this.step(signup.id);
  }
}

function statusOf({ id, input, startedAt, finished, state }: Signup): SignupStatus {
  const steps = signupSteps.map(({ name, title }, index): SignupStepStatus => {
    if (index < finished) return { name, title, state: state === "failed" ? "undone" : "done" };
    if (index > finished || state === "completed") return { name, title, state: "waiting" };
    return { name, title, state: state === "failed" ? "failed" : "running" };
  });
  const error = fault(
    "E_SIGNUP_FAILED",
    `${signupSteps[finished]?.title} failed: the disk is on fire.`,
  ).toJSON();
  return {
    id,
    slug: input.slug,
    region: input.region,
    state,
    steps,
    startedAt,
    ...(state === "failed" ? { error } : {}),
  };
}
