import { describe, expect, test } from "vitest";
import { parseConfig } from "../config/parse.ts";
import type { TenantState } from "../tenant/lifecycle.ts";
import { admitMove } from "./admit.ts";

const config = parseConfig({
  app: "./app.ts",
  domain: "bookshop.example",
  regions: {
    "eu-west-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "eu-north-1": { jurisdiction: "EU", zones: ["a", "b"] },
    "us-east-1": { jurisdiction: "US", zones: ["a", "b"] },
  },
  plans: {
    starter: { isolation: "schema" },
    plus: { isolation: "schema" },
    business: { isolation: "database" },
  },
});
const entry = {
  slug: "acme",
  region: "eu-west-1",
  plan: "starter",
  isolation: "schema",
  state: "active" as TenantState,
} as const;
const admit = (wish: { region?: string; plan?: string; consent?: string }, state: TenantState = "active") =>
  admitMove(config, { ...entry, state }, { region: "eu-west-1", plan: "starter", ...wish });

describe("admitMove", () => {
  test.each([
    [{ region: "eu-north-1" }, "region"],
    [{ region: "eu-north-1", plan: "business" }, "region"],
    [{ region: "us-east-1", consent: "contract 7" }, "region"],
    [{ plan: "business" }, "isolation"],
    [{ plan: "plus" }, "plan"],
  ] as const)("%j is a move of its kind", (wish, kind) => {
    expect(admit(wish)).toBe(kind);
    expect(admit(wish, "suspended")).toBe(kind);
  });

  test.each([
    [{}, "E_MOVE_SAME", "lives in eu-west-1 with the plan starter already"],
    [{ region: "mars-1" }, "E_REGION_UNKNOWN", "there are eu-west-1, eu-north-1, us-east-1"],
    [{ region: "toString" }, "E_REGION_UNKNOWN", "toString"],
    [{ plan: "constructor" }, "E_PLAN_UNKNOWN", "there are starter, plus, business"],
    [{ region: "us-east-1" }, "E_MOVE_JURISDICTION", "jurisdiction EU, and us-east-1 is under US"],
    [{ region: "us-east-1", consent: "  " }, "E_MOVE_JURISDICTION", "--consent"],
  ])("%j is refused", (wish, code, words) => {
    expect(() => admit(wish)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    );
  });

  test.each(["provisioning", "moving", "closing", "closed", "failed"] as const)(
    "one that is %s stays",
    (state) => {
      expect(() => admit({ plan: "plus" }, state)).toThrow(
        expect.objectContaining({ code: "E_TENANT_STATE" }),
      );
    },
  );
});
