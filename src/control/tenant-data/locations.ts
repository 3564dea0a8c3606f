import { fault } from "../../core/error.ts";
import type { DataLocation, Isolation } from "../../core/tenant/tenant.ts";
import type { Random } from "../../ports/clock.ts";
import type { Keys } from "../../ports/keys.ts";
import type { WriterPool } from "../../postgres/pool.ts";
import { generatePassword } from "../../postgres/scram.ts";

/** The database on a shared server that holds all tenants with a schema each. */
export const sharedDatabase = "tenants";

/** A row of `data_locations`; the passwords are ciphertexts. */
export interface StoredLocation extends DataLocation {
  readonly id: string;
  readonly slug: string | null;
  readonly isolation: Isolation;
  readonly ownerPassword: string;
  readonly appPassword: string;
  readonly schemaVersion: number;
  readonly ready: boolean;
  /** Fingerprint of the migrations that it was made with. */
  readonly migrations: string;
}

interface LocationRow {
  id: string;
  slug: string | null;
  isolation: Isolation;
  server: string;
  database: string;
  schema: string;
  owner_role: string;
  owner_password: string;
  app_role: string;
  app_password: string;
  schema_version: number;
  ready: boolean;
  migrations: string;
}

/** A tenant has one `current` location; a move or restore makes an `arriving` one, and leaves a `retired` one behind. */
type Phase = "current" | "arriving" | "retired";

export interface LocationWish {
  readonly slug: string | null;
  readonly isolation: Isolation;
  /** The shared server, or `null` for a server of its own, named after the location. */
  readonly server: string | null;
  /** Fingerprint of the release's migrations: a spare made by others does not fit. */
  readonly migrations: string;
}

/** The region's table of where each tenant's rows are, and with which logins. */
export class Locations {
  readonly #pool: WriterPool;
  readonly #keys: Keys;
  readonly #random: Random;

  constructor(parts: { readonly pool: WriterPool; readonly keys: Keys; readonly random: Random }) {
    this.#pool = parts.pool;
    this.#keys = parts.keys;
    this.#random = parts.random;
  }

  async find(slug: string): Promise<StoredLocation | undefined> {
    return this.#findInPhase(slug, "current");
  }

  /** The location that a move or restore prepares beside the current one. */
  async findArriving(slug: string): Promise<StoredLocation | undefined> {
    return this.#findInPhase(slug, "arriving");
  }

  async #findInPhase(slug: string, phase: Phase): Promise<StoredLocation | undefined> {
    const { rows } = await this.#pool.query<LocationRow>(
      "SELECT * FROM data_locations WHERE slug = $1 AND phase = $2",
      [slug, phase],
    );
    return rows[0] && toLocation(rows[0]);
  }

  /** The locations of these tenants, as far as they have one. */
  async findAll(slugs: readonly string[]): Promise<StoredLocation[]> {
    const { rows } = await this.#pool.query<LocationRow>(
      "SELECT * FROM data_locations WHERE slug = ANY ($1) AND phase = 'current'",
      [slugs],
    );
    return rows.map(toLocation);
  }

  /** The tenant's location: the one that it has, else a ready spare, else a new one that is still to be made. */
  async allocate(wish: LocationWish & { readonly slug: string }): Promise<StoredLocation> {
    return (await this.find(wish.slug)) ?? (await this.#takeSpare(wish)) ?? (await this.insert(wish));
  }

  async #takeSpare(wish: LocationWish): Promise<StoredLocation | undefined> {
    const { rows } = await this.#pool.query<LocationRow>(
      `UPDATE data_locations SET slug = $1 WHERE id = (
         SELECT id FROM data_locations
         WHERE slug IS NULL AND ready AND isolation = $2 AND server = $3 AND migrations = $4
         ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
       RETURNING *`,
      [wish.slug, wish.isolation, wish.server, wish.migrations],
    );
    return rows[0] && toLocation(rows[0]);
  }

  /** Writes down a new location with fresh logins; nothing exists on its server yet. */
  async insert(wish: LocationWish): Promise<StoredLocation> {
    return this.#write(wish, "current", null);
  }

  /**
   * Writes down a location beside the tenant's current one, for the operation `id`; nothing exists on its server yet.
   * Repeating it for the same operation returns the same one. @throws E_TENANT_BUSY when another one prepares one
   */
  async prepare(wish: LocationWish & { readonly slug: string }, id: string): Promise<StoredLocation> {
    const location = await this.#write(wish, "arriving", id);
    const { rows } = await this.#pool.query<{ operation: string }>(
      "SELECT operation FROM data_locations WHERE id = $1",
      [location.id],
    );
    if (rows[0]?.operation === id) return location;
    throw fault("E_TENANT_BUSY", `Another operation prepares a place for the tenant "${wish.slug}".`);
  }

  /**
   * Makes the arriving location the current one, and retires what was current (nothing in a region that the tenant
   * comes to). All of it or nothing; a repeat changes nothing.
   */
  async switchTo(slug: string, arriving: StoredLocation, operation: string): Promise<void> {
    await this.#pool.transaction(async (client) => {
      await client.query(
        `UPDATE data_locations SET phase = 'retired', operation = $3, retired_at = now()
         WHERE slug = $1 AND phase = 'current' AND id <> $2`,
        [slug, arriving.id, operation],
      );
      await client.query(
        "UPDATE data_locations SET phase = 'current', operation = NULL WHERE id = $1 AND phase = 'arriving'",
        [arriving.id],
      );
    });
  }

  /** Takes {@link switchTo} back: the current location is arriving again, and what the operation retired is current. */
  async switchBack(slug: string, arriving: StoredLocation, operation: string): Promise<void> {
    await this.#pool.transaction(async (client) => {
      await client.query(
        "UPDATE data_locations SET phase = 'arriving', operation = $2 WHERE id = $1 AND phase = 'current'",
        [arriving.id, operation],
      );
      await client.query(
        `UPDATE data_locations SET phase = 'current', operation = NULL, retired_at = NULL
         WHERE slug = $1 AND phase = 'retired' AND operation = $2`,
        [slug, operation],
      );
    });
  }

  /** Retires the tenant's current location, because it now lives in another region; a repeat changes nothing. */
  async retire(slug: string, operation: string): Promise<void> {
    await this.#pool.query(
      `UPDATE data_locations SET phase = 'retired', operation = $2, retired_at = now()
       WHERE slug = $1 AND phase = 'current'`,
      [slug, operation],
    );
  }

  /** What the operation retired, if it is still there. */
  async findRetiredBy(operation: string): Promise<StoredLocation | undefined> {
    const { rows } = await this.#pool.query<LocationRow>(
      "SELECT * FROM data_locations WHERE operation = $1 AND phase = 'retired'",
      [operation],
    );
    return rows[0] && toLocation(rows[0]);
  }

  /** All of a tenant's locations, in whatever phase. */
  async findEvery(slug: string): Promise<StoredLocation[]> {
    const { rows } = await this.#pool.query<LocationRow>("SELECT * FROM data_locations WHERE slug = $1", [
      slug,
    ]);
    return rows.map(toLocation);
  }

  /**
   * Those whose operation has ended and that nobody needs: arriving ones, and ones retired for longer than the grace. A
   * retired one that is still to become a backup stays.
   */
  async leftOver(graceSeconds: number): Promise<StoredLocation[]> {
    const { rows } = await this.#pool.query<LocationRow>(
      `SELECT * FROM data_locations d
       WHERE (phase = 'arriving' OR phase = 'retired' AND retired_at < now() - make_interval(secs => $1))
         AND NOT EXISTS (SELECT FROM tenant_operations o WHERE o.slug = d.slug AND o.id = d.operation)
         AND NOT EXISTS (SELECT FROM backups b WHERE b.location = d.id)
       ORDER BY created_at`,
      [graceSeconds],
    );
    return rows.map(toLocation);
  }

  async #write(wish: LocationWish, phase: Phase, operation: string | null): Promise<StoredLocation> {
    const id = Buffer.from(this.#random.bytes(8)).toString("hex");
    const name = `t_${id}`;
    const [ownerRole, appRole] = [`${name}_owner`, `${name}_app`];
    const [ownerPassword, appPassword] = await Promise.all([this.#seal(ownerRole), this.#seal(appRole)]);
    const { rows } = await this.#pool.query<LocationRow>(
      `INSERT INTO data_locations
         (id, slug, isolation, server, database, schema, owner_role, owner_password, app_role, app_password, migrations, phase, operation)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
       ON CONFLICT (slug) WHERE phase = '${phase}' DO UPDATE SET slug = excluded.slug RETURNING *`,
      [
        id,
        wish.slug,
        wish.isolation,
        wish.server ?? `tenant-${id}`,
        wish.isolation === "schema" ? sharedDatabase : name,
        wish.isolation === "schema" ? name : "public",
        ownerRole,
        ownerPassword,
        appRole,
        appPassword,
        wish.migrations,
        phase,
        operation,
      ],
    );
    if (!rows[0]) throw fault("E_INTERNAL", "A data location could not be written.");
    return toLocation(rows[0]);
  }

  /** The roles exist and the schema has this version. */
  async markReady(id: string, schemaVersion: number): Promise<void> {
    await this.#pool.query("UPDATE data_locations SET ready = true, schema_version = $2 WHERE id = $1", [
      id,
      schemaVersion,
    ]);
  }

  /** Writes down the schema version of many locations; returns the slugs of the tenants that still live there. */
  async setSchemaVersions(ids: readonly string[], schemaVersion: number): Promise<string[]> {
    const { rows } = await this.#pool.query<{ slug: string; phase: Phase }>(
      "UPDATE data_locations SET schema_version = $2 WHERE id = ANY ($1) AND slug IS NOT NULL RETURNING slug, phase",
      [ids, schemaVersion],
    );
    return rows.flatMap(({ slug, phase }) => (phase === "current" ? [slug] : []));
  }

  async remove(id: string): Promise<void> {
    await this.#pool.query("DELETE FROM data_locations WHERE id = $1", [id]);
  }

  /** Spares of one kind: those that fit, and those that an older release or a crash left behind. */
  async spares(wish: Omit<LocationWish, "slug">): Promise<{ fitting: number; leftOver: StoredLocation[] }> {
    const { rows } = await this.#pool.query<LocationRow & { migrations: string }>(
      "SELECT * FROM data_locations WHERE slug IS NULL AND isolation = $1 AND server = $2 ORDER BY created_at",
      [wish.isolation, wish.server],
    );
    const fits = (row: LocationRow & { migrations: string }) =>
      row.ready && row.migrations === wish.migrations;
    return { fitting: rows.filter(fits).length, leftOver: rows.filter((row) => !fits(row)).map(toLocation) };
  }

  /** Tenants and spares by server, for placement. */
  async countByServer(): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.#pool.query<{ server: string; count: number }>(
      "SELECT server, count(*)::int AS count FROM data_locations WHERE slug IS NOT NULL GROUP BY server",
    );
    return new Map(rows.map((row) => [row.server, row.count]));
  }

  /** @throws E_DECRYPT */
  async openPassword(role: string, ciphertext: string): Promise<string> {
    return this.#keys.decrypt(ciphertext, roleContext(role));
  }

  async #seal(role: string): Promise<string> {
    return this.#keys.encrypt(generatePassword(), roleContext(role));
  }
}

/** What a role's encrypted password is bound to. */
export function roleContext(role: string): Readonly<Record<string, string>> {
  return { purpose: "tenant-role", role };
}

function toLocation(row: LocationRow): StoredLocation {
  return {
    id: row.id,
    slug: row.slug,
    isolation: row.isolation,
    server: row.server,
    database: row.database,
    schema: row.schema,
    ownerRole: row.owner_role,
    ownerPassword: row.owner_password,
    appRole: row.app_role,
    appPassword: row.app_password,
    schemaVersion: row.schema_version,
    ready: row.ready,
    migrations: row.migrations,
  };
}
