import type { Context } from "hono";
import type { Tenant } from "rowhouse";

/** What every route of the shop is given: whose shop it is. */
export interface Environment {
  Bindings: { tenant: Tenant };
}

export type ShopContext = Context<Environment>;
