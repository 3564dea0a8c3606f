import { AsyncLocalStorage } from "node:async_hooks";
import { fault } from "../core/error.ts";
import type { Tenant } from "./tenant.ts";

/** Finds a tenant by its slug for `withTenant`. @throws E_TENANT_NOT_FOUND and what its state refuses */
export type TenantResolver = (slug: string) => Promise<Tenant>;

interface Context {
  readonly tenant: Tenant;
  readonly resolve: TenantResolver;
}

interface SharedState {
  readonly storage: AsyncLocalStorage<Context>;
  /** Of the process's runtimes, the newest last, for `withTenant` where no tenant is current yet. */
  readonly resolvers: TenantResolver[];
}

/**
 * One storage for the process, even where an application brought a second copy of this package: two storages
 * would each know only their own half of the requests.
 */
const key = Symbol.for("rowhouse.context");
const holder = globalThis as { [key]?: SharedState };
holder[key] ??= { storage: new AsyncLocalStorage(), resolvers: [] };
const shared: SharedState = holder[key];

/**
 * The tenant of the running request or job, through any `await`.
 * @throws E_NO_TENANT outside of one; there is never a default
 */
export function currentTenant(): Tenant {
  const context = shared.storage.getStore();
  if (!context) throw fault("E_NO_TENANT");
  return context.tenant;
}

/**
 * Runs `work` as another tenant; afterwards, also when it throws, the tenant is what it was before.
 * @throws E_NO_TENANT where no Rowhouse runs; E_TENANT_NOT_FOUND, and what the tenant's state refuses
 */
export async function withTenant<T>(slug: string, work: (tenant: Tenant) => T | Promise<T>): Promise<T> {
  const resolve = shared.storage.getStore()?.resolve ?? shared.resolvers.at(-1);
  if (!resolve) throw fault("E_NO_TENANT", "withTenant was called in a process that runs no tenants.");
  const tenant = await resolve(slug);
  return shared.storage.run({ tenant, resolve }, () => work(tenant));
}

/** Runs `work` with `tenant` as the current one. */
export function runAsTenant<T>(tenant: Tenant, resolve: TenantResolver, work: () => T): T {
  return shared.storage.run({ tenant, resolve }, work);
}

/** Lets the process find tenants by `resolve`; returns what takes it back. */
export function registerResolver(resolve: TenantResolver): () => void {
  shared.resolvers.push(resolve);
  return () => {
    const index = shared.resolvers.indexOf(resolve);
    if (index >= 0) shared.resolvers.splice(index, 1);
  };
}
