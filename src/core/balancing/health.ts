/**
 * `initial`: not yet found healthy. `failing`: it takes connections, and answers too late or wrongly.
 * `gone`: nobody listens at its address.
 */
type HealthState = "initial" | "healthy" | "failing" | "gone";

/** What one look at a target found: `refused` says that the connection could not be opened. */
export type HealthOutcome = "ok" | "failed" | "refused";

export interface Health {
  readonly state: HealthState;
  /** Outcomes in a row that speak against the present state. */
  readonly contrary: number;
  /** Why it is not healthy. */
  readonly reason?: string;
}

/** Where an outcome leads, and how many of them in a row it takes. */
interface Step {
  readonly to: HealthState;
  readonly after: number;
}

/** Every state × outcome. A refused connection is certain at once; slowness and recovery must show twice. */
const healthTable: Readonly<Record<HealthState, Readonly<Record<HealthOutcome, Step>>>> = {
  initial: {
    ok: { to: "healthy", after: 1 },
    failed: { to: "initial", after: 1 },
    refused: { to: "initial", after: 1 },
  },
  healthy: {
    ok: { to: "healthy", after: 1 },
    failed: { to: "failing", after: 2 },
    refused: { to: "gone", after: 1 },
  },
  failing: {
    ok: { to: "healthy", after: 2 },
    failed: { to: "failing", after: 1 },
    refused: { to: "gone", after: 1 },
  },
  gone: {
    ok: { to: "healthy", after: 2 },
    failed: { to: "failing", after: 1 },
    refused: { to: "gone", after: 1 },
  },
};

/** A target that was just registered. */
export const initialHealth: Health = { state: "initial", contrary: 0 };

/** The health after one more outcome; `reason` says what went wrong. */
export function afterOutcome(health: Health, outcome: HealthOutcome, reason = ""): Health {
  const step = healthTable[health.state][outcome];
  const contrary = step.to === health.state ? 0 : health.contrary + 1;
  const state = contrary >= step.after ? step.to : health.state;
  const shown = outcome === "ok" ? health.reason : reason;
  return {
    state,
    contrary: state === health.state ? contrary : 0,
    ...(state === "healthy" || shown === undefined ? {} : { reason: shown }),
  };
}
