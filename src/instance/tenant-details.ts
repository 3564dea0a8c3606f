import { fault } from "../core/error.ts";
import type { DataLocation } from "../core/tenant/tenant.ts";
import type { DatabaseCredentials } from "../ports/databases.ts";
import type { Keys } from "../ports/keys.ts";
import type { Queryable } from "../postgres/pool.ts";

/** What an instance must know of a tenant to serve it, and the directory does not say. */
export interface TenantDetails {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly location: Omit<DataLocation, "ownerRole">;
  /** The tenant's own login. */
  readonly credentials: DatabaseCredentials;
  /** The login that all tenants of the database share, where there is one. */
  readonly sharedCredentials: DatabaseCredentials | null;
}

interface DetailsRow {
  name: string | null;
  settings: Record<string, unknown> | null;
  server: string;
  database: string;
  schema: string;
  app_role: string;
  app_password: string;
  shared_role: string | null;
  shared_password: string | null;
}

/** The context that a role's password was encrypted under. */
function roleContext(role: string): Readonly<Record<string, string>> {
  return { purpose: "tenant-role", role };
}

/** Loads a tenant's profile, place and logins from the region's control database, and opens the passwords. */
export class TenantDetailsLoader {
  readonly #regionPool: Queryable;
  readonly #keys: Keys;
  /** One shared login serves thousands of tenants: it is opened once. */
  #sharedPassword: { readonly ciphertext: string; readonly plaintext: Promise<string> } | undefined;

  constructor(parts: { readonly regionPool: Queryable; readonly keys: Keys }) {
    this.#regionPool = parts.regionPool;
    this.#keys = parts.keys;
  }

  /** @throws E_TENANT_UNAVAILABLE when the tenant has no place yet, E_REGION_UNAVAILABLE, E_DECRYPT */
  async load(slug: string): Promise<TenantDetails> {
    const row = await this.#read(slug);
    if (!row) throw fault("E_TENANT_UNAVAILABLE", "The tenant has no database yet.");
    const { server, database, schema, app_role: appRole } = row;
    const [password, sharedPassword] = await Promise.all([
      this.#keys.decrypt(row.app_password, roleContext(appRole)),
      this.#openShared(row),
    ]);
    return {
      name: row.name ?? slug,
      settings: Object.freeze(row.settings ?? {}),
      location: { server, database, schema, appRole },
      credentials: { user: appRole, password },
      sharedCredentials:
        row.shared_role === null || sharedPassword === undefined
          ? null
          : { user: row.shared_role, password: sharedPassword },
    };
  }

  async #read(slug: string): Promise<DetailsRow | undefined> {
    try {
      const { rows } = await this.#regionPool.query<DetailsRow>(
        `SELECT p.name, p.settings, d.server, d.database, d.schema, d.app_role, d.app_password,
                s.role AS shared_role, s.password AS shared_password
         FROM data_locations d
         LEFT JOIN profiles p ON p.slug = d.slug
         LEFT JOIN shared_logins s ON s.server = d.server AND s.database = d.database
         WHERE d.slug = $1 AND d.phase = 'current'`,
        [slug],
      );
      return rows[0];
    } catch (cause) {
      throw fault("E_REGION_UNAVAILABLE", "The region's control database can't be read just now.", { cause });
    }
  }

  async #openShared(row: DetailsRow): Promise<string | undefined> {
    if (row.shared_role === null || row.shared_password === null) return undefined;
    if (this.#sharedPassword?.ciphertext !== row.shared_password) {
      const plaintext = this.#keys.decrypt(row.shared_password, roleContext(row.shared_role));
      this.#sharedPassword = { ciphertext: row.shared_password, plaintext };
      // A key service that is away now may be back for the next tenant.
      plaintext.catch(() => {
        this.#sharedPassword = undefined;
      });
    }
    return this.#sharedPassword.plaintext;
  }
}
