import type { ErrorEntry } from "./entry.ts";

/** Of tenants, and of the regions and plans that they are in. */
export const tenantErrors = {
  E_TENANT_SLUG_INVALID: {
    kind: "user",
    status: 400,
    reason: "The slug has a form that can't be a host name's label.",
    remedy: "Use 1 to 40 lower-case letters, digits and hyphens, a letter first and no hyphen last.",
  },
  E_TENANT_SLUG_RESERVED: {
    kind: "user",
    status: 400,
    reason: "The slug is a word that the platform keeps for itself.",
    remedy: "Choose another slug.",
  },
  E_TENANT_SLUG_TAKEN: {
    kind: "user",
    status: 409,
    reason: "Another tenant has this slug.",
    remedy: "Choose another slug.",
  },
  E_TENANT_NOT_FOUND: {
    kind: "user",
    status: 404,
    reason: "No tenant has this slug.",
    remedy: "Check the slug; `rowhouse tenant list` shows all of them.",
  },
  E_TENANT_SUSPENDED: {
    kind: "user",
    status: 403,
    reason: "The tenant is suspended.",
    remedy: "An operator can resume it with `rowhouse tenant resume <slug>`.",
  },
  E_TENANT_CLOSED: {
    kind: "user",
    status: 410,
    reason: "The tenant was closed.",
    remedy: "Nothing is served here any more.",
  },
  E_TENANT_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "The tenant is being moved or made, and did not become ready in time.",
    remedy: "Try again in a few seconds.",
  },
  E_TENANT_STATE: {
    kind: "user",
    status: 409,
    reason: "The tenant's present state does not allow this.",
    remedy: "`rowhouse tenant show <slug>` tells its state.",
  },
  E_TENANT_BUSY: {
    kind: "user",
    status: 409,
    reason: "Another operation on the tenant is under way.",
    remedy: "Wait until it has ended; `rowhouse tenant show <slug>` names it.",
  },
  E_WRONG_REGION: {
    kind: "user",
    status: 421,
    reason: "The tenant's home is another region.",
    remedy: "Send the request to the address in the answer.",
  },
  E_REGION_UNKNOWN: {
    kind: "user",
    status: 400,
    reason: "The configuration names no such region, or does not start it.",
    remedy: "Choose one of the named regions.",
  },
  E_RESIDENCY_CHECK: {
    kind: "system",
    status: 500,
    reason: "The residency check could not write into a tenant's data, so nothing was checked.",
    remedy:
      "Correct the named cause and run `rowhouse doctor --residency` again; what it had written is removed.",
  },
  E_REGION_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "The region's controller does not answer.",
    remedy: "Try again in a few seconds; `rowhouse status` shows what is wrong.",
  },
  E_PLAN_UNKNOWN: {
    kind: "user",
    status: 400,
    reason: "The configuration names no such plan.",
    remedy: "Choose one of the named plans.",
  },
  E_QUOTA: {
    kind: "user",
    status: 409,
    reason: "A limit of the plan or the region is reached.",
    remedy: "Raise the named limit in rowhouse.config.ts, or close a tenant.",
  },
  E_SIGNUP_FAILED: {
    kind: "system",
    status: 500,
    reason: "A step of the sign-up failed; all earlier steps were undone.",
    remedy: "Correct the named cause and sign up again; the slug is free.",
  },
  E_MOVE_SAME: {
    kind: "user",
    status: 409,
    reason: "The tenant lives there already.",
    remedy: "Name another region or another plan.",
  },
  E_MOVE_JURISDICTION: {
    kind: "user",
    status: 409,
    reason: "The move would bring the tenant's data under another jurisdiction.",
    remedy:
      'Move it with `--consent "<reference>"`, which names the customer\'s consent and is kept in the audit trail.',
  },
  E_MOVE_UNSUPPORTED: {
    kind: "user",
    status: 409,
    reason: "The tenant's data has something that can't be moved while it is used.",
    remedy: "Remove what is named, or export the tenant and import it elsewhere.",
  },
  E_MOVE_FAILED: {
    kind: "system",
    status: 500,
    reason: "The tenant could not be moved; it is served where it was.",
    remedy: "Correct the named cause and move it again.",
  },
  E_REGION_NO_RECOVERY: {
    kind: "user",
    status: 409,
    reason: "The region has no recovery region that its tenants could come back in.",
    remedy:
      "Name one of the same jurisdiction as `recovery` in rowhouse.config.ts, before the region is lost.",
  },
  E_REGION_HEALTHY: {
    kind: "user",
    status: 409,
    reason: "The region serves its tenants, and a failover would lose their newest writes.",
    remedy: "Move tenants with `rowhouse tenant move`; with --force the region is given up nonetheless.",
  },
  E_REGION_LOST: {
    kind: "user",
    status: 409,
    reason: "The region has failed over: its tenants live in its recovery region.",
    remedy: "Choose another region, or bring this one back with `rowhouse region fail-back <name>`.",
  },
  E_REGION_IN_USE: {
    kind: "user",
    status: 409,
    reason: "Tenants live in the region.",
    remedy: "Move or close them first; `rowhouse tenant list` shows them.",
  },
} as const satisfies Record<string, ErrorEntry>;
