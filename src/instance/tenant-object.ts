import type { Config } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import { tenantQueue, writeTenantMessage } from "../core/tenant/message.ts";
import type { DirectoryEntry } from "../core/tenant/tenant.ts";
import type { DatabaseEndpoint } from "../ports/databases.ts";
import type { DataPlatform } from "../ports/platform.ts";
import { knownWriter } from "../postgres/connect.ts";
import type { ConnectionBudget } from "./pools/connection-budget.ts";
import { createLogin, type LeaseTarget, type Login } from "./pools/login.ts";
import { TenantPool } from "./pools/tenant-pool.ts";
import { createTenantCache, type Loads } from "./services/cache.ts";
import { createTenantFiles } from "./services/files.ts";
import { createTenantMail } from "./services/mail.ts";
import type { Tenant, TenantDatabase, TenantLog } from "./tenant.ts";
import type { TenantDetails } from "./tenant-details.ts";

/** What a tenant is made of. */
export interface TenantParts {
  readonly entry: DirectoryEntry;
  readonly details: TenantDetails;
  /** Where the tenant's server is reached, as far as is known now. */
  readonly endpoint: () => DatabaseEndpoint;
  readonly platform: DataPlatform;
  readonly config: Config;
  readonly connections: ConnectionBudget;
  readonly cacheLoads: Loads;
  readonly log: TenantLog;
  /** Where its next query goes; a promise while that has to be found out. */
  readonly target: (role: Login["role"]) => LeaseTarget | Promise<LeaseTarget>;
  /** Reads the tenant's details again, where Postgres refuses what they say. */
  readonly reload: () => Promise<LoadedTenant>;
}

/** A tenant, and what its instance keeps to itself. */
export interface LoadedTenant {
  readonly tenant: Tenant;
  readonly targets: Readonly<Record<Login["role"], LeaseTarget>>;
  /** Logins that serve this tenant alone. */
  readonly ownLogins: readonly Login[];
}

/** Puts a tenant together; nothing is opened before it is used. */
export function createTenant(parts: TenantParts): LoadedTenant {
  const { entry, details, platform, config, log } = parts;
  const { slug } = entry;
  const targets = { writer: leaseTarget(parts, "writer"), reader: leaseTarget(parts, "reader") };
  const tenant: Tenant = {
    slug,
    name: details.name,
    region: entry.region,
    plan: entry.plan,
    settings: details.settings,
    db: createDatabase(parts),
    get databaseUrl() {
      return databaseUrl(parts);
    },
    cache: createTenantCache({ ...platform, slug, loads: parts.cacheLoads }),
    files: createTenantFiles(platform.objects, slug),
    mail: createTenantMail(platform.mail, {
      slug,
      name: details.name,
      domain: config.domain,
      random: platform.random,
    }),
    queue: {
      async send(body, options = {}) {
        const text = writeTenantMessage({ tenant: slug, body });
        return platform.queues.send(tenantQueue, text, { ...options, tenant: slug });
      },
    },
    log,
  };
  const ownLogins = Object.values(targets).flatMap(({ login }) => (login.shared ? [] : [login]));
  return { tenant: Object.freeze(tenant), targets, ownLogins };
}

function createDatabase(parts: TenantParts): TenantDatabase {
  const pool = (role: Login["role"]) =>
    new TenantPool({
      budget: parts.connections,
      target: () => parts.target(role),
      refresh: async () => (await parts.reload()).targets[role],
    });
  return Object.assign(pool("writer"), { replica: pool("reader") });
}

/** @throws E_TENANT_UNAVAILABLE when the plan shares connections and the database has no shared login yet */
function leaseTarget({ entry, details, config }: TenantParts, role: Login["role"]): LeaseTarget {
  const { server, database, schema, appRole } = details.location;
  const shared = entry.isolation === "schema" && config.plans[entry.plan]?.connections === "shared";
  if (!shared) {
    const login = createLogin({ server, database, role, shared, credentials: details.credentials });
    return { tenant: entry.slug, login };
  }
  if (!details.sharedCredentials)
    throw fault("E_TENANT_UNAVAILABLE", "The tenant's database has no shared login yet.");
  const login = createLogin({ server, database, role, shared, credentials: details.sharedCredentials });
  return { tenant: entry.slug, login, session: { role: appRole, schema } };
}

/** Names the node that takes writes as far as is known; an ORM that connects by itself must ask again after a failover. */
function databaseUrl({ details, endpoint }: TenantParts): string {
  const { user, password } = details.credentials;
  const node = knownWriter(endpoint());
  const [name, secret, database] = [user, password, details.location.database].map(encodeURIComponent);
  return `postgresql://${name}:${secret}@${node?.host}:${node?.port}/${database}`;
}
