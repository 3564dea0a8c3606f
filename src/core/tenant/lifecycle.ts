import { fault } from "../error.ts";

/** Where a tenant stands in its life. */
export type TenantState =
  | "provisioning"
  | "active"
  | "suspended"
  | "moving"
  | "closing"
  | "closed"
  | "failed";

/** What can happen to a tenant. */
export type TenantEvent =
  | "activate"
  | "fail"
  | "suspend"
  | "resume"
  | "beginMove"
  | "endMove"
  | "endMoveSuspended"
  | "beginClose"
  | "endClose";

type Row = Readonly<Record<TenantEvent, TenantState | null>>;

const nothing: Row = {
  activate: null,
  fail: null,
  suspend: null,
  resume: null,
  beginMove: null,
  endMove: null,
  endMoveSuspended: null,
  beginClose: null,
  endClose: null,
};

/**
 * The whole lifecycle: every state × event is decided; `null` means refused.
 * An event that leads where the tenant already is (suspend a suspended one) is allowed, so that a repeat is safe.
 * Whoever began a move knows what the tenant was before, and so which of the two ends it.
 */
export const lifecycle: Readonly<Record<TenantState, Row>> = {
  provisioning: { ...nothing, activate: "active", fail: "failed" },
  active: {
    ...nothing,
    activate: "active",
    suspend: "suspended",
    resume: "active",
    beginMove: "moving",
    beginClose: "closing",
  },
  suspended: {
    ...nothing,
    suspend: "suspended",
    resume: "active",
    beginMove: "moving",
    beginClose: "closing",
  },
  moving: { ...nothing, beginMove: "moving", endMove: "active", endMoveSuspended: "suspended" },
  closing: { ...nothing, beginClose: "closing", endClose: "closed" },
  closed: { ...nothing, endClose: "closed" },
  failed: { ...nothing, fail: "failed" },
};

/**
 * The state after `event`.
 * @throws E_TENANT_STATE when the present state does not allow it
 */
export function transition(state: TenantState, event: TenantEvent): TenantState {
  const next = lifecycle[state][event];
  if (next === null) throw fault("E_TENANT_STATE", `A tenant that is ${state} can't ${words[event]}.`);
  return next;
}

const words: Readonly<Record<TenantEvent, string>> = {
  activate: "be activated",
  fail: "fail its sign-up",
  suspend: "be suspended",
  resume: "be resumed",
  beginMove: "be moved",
  endMove: "end a move",
  endMoveSuspended: "end a move",
  beginClose: "be closed",
  endClose: "end its closing",
};
