import { fault } from "../core/error.ts";
import {
  checkNamedAttributes,
  checkRegistryWrite,
  itemTooLarge,
  registryLimits,
} from "../core/registry/attributes.ts";
import type { Registry, RegistryAttributes, RegistryItem } from "../ports/registry.ts";
import { prepareEngineTables } from "../postgres/engine-tables.ts";
import type { WriterPool } from "../postgres/pool.ts";

/** Makes the registry's table in the region's control database. Call before `createRegistry`. */
export function prepareRegistry(pool: WriterPool): Promise<void> {
  return prepareEngineTables(pool, "registry", new URL("./sql/registry/", import.meta.url));
}

/** The launch registry as one table of the region's control database. */
export function createRegistry(options: { readonly pool: WriterPool }): Registry {
  return new PostgresRegistry(options.pool);
}

class PostgresRegistry implements Registry {
  readonly #pool: WriterPool;

  constructor(pool: WriterPool) {
    this.#pool = pool;
  }

  async get(domain: string, name: string): Promise<RegistryItem | undefined> {
    const { rows } = await this.#pool.query<RegistryItem>(
      "SELECT name, attributes, version FROM engine.registry_items WHERE domain = $1 AND name = $2",
      [domain, name],
    );
    return rows[0];
  }

  async put(
    domain: string,
    name: string,
    attributes: RegistryAttributes,
    options: { readonly ifVersion?: number } = {},
  ): Promise<RegistryItem> {
    checkRegistryWrite(domain, name, attributes);
    const written = await this.#write(domain, name, JSON.stringify(attributes), options.ifVersion);
    return written ?? conflict(domain, name);
  }

  async #write(domain: string, name: string, attributes: string, ifVersion: number | undefined) {
    const insert = `INSERT INTO engine.registry_items AS item (domain, name, attributes, version)
       VALUES ($1, $2, $3, 1) ON CONFLICT (domain, name)`;
    const set = "SET attributes = $3, version = item.version + 1";
    const returning = "RETURNING item.name, item.attributes, item.version";
    const values = [domain, name, attributes];
    const { rows } =
      ifVersion === undefined
        ? await this.#pool.query<RegistryItem>(`${insert} DO UPDATE ${set} ${returning}`, values)
        : ifVersion === 0
          ? await this.#pool.query<RegistryItem>(`${insert} DO NOTHING ${returning}`, values)
          : await this.#pool.query<RegistryItem>(
              `UPDATE engine.registry_items AS item ${set} WHERE domain = $1 AND name = $2 AND version = $4 ${returning}`,
              [...values, ifVersion],
            );
    return rows[0];
  }

  async update(
    domain: string,
    name: string,
    changes: Readonly<Record<string, string | number | boolean | null>>,
    options: { readonly ifVersion?: number } = {},
  ): Promise<RegistryItem> {
    checkRegistryWrite(domain, name, changes);
    checkNamedAttributes(changes);
    const { ifVersion } = options;
    const entries = Object.entries(changes);
    const changed = "(attributes || $3::jsonb) - $4::text[]";
    const { rows } = await this.#pool.query<RegistryItem>(
      `UPDATE engine.registry_items SET attributes = ${changed}, version = version + 1
       WHERE domain = $1 AND name = $2 AND ($5::integer IS NULL OR version = $5)
         AND octet_length((${changed})::text) <= $6
       RETURNING name, attributes, version`,
      [
        domain,
        name,
        JSON.stringify(Object.fromEntries(entries.filter(([, value]) => value !== null))),
        entries.flatMap(([key, value]) => (value === null ? [key] : [])),
        ifVersion ?? null,
        registryLimits.attributesBytes,
      ],
    );
    if (rows[0]) return rows[0];
    const current = await this.get(domain, name);
    if (!current) throw fault("E_NOT_FOUND", `The registry has no item ${domain}/${name}.`);
    if (ifVersion !== undefined && current.version !== ifVersion) return conflict(domain, name);
    throw itemTooLarge(domain, name);
  }

  async query(domain: string, where: RegistryAttributes = {}): Promise<readonly RegistryItem[]> {
    checkNamedAttributes(where);
    // Among scalar values, JSON containment is equality.
    const { rows } = await this.#pool.query<RegistryItem>(
      `SELECT name, attributes, version FROM engine.registry_items
       WHERE domain = $1 AND attributes @> $2::jsonb ORDER BY name`,
      [domain, JSON.stringify(where)],
    );
    return rows;
  }

  async delete(domain: string, name: string): Promise<void> {
    await this.#pool.query("DELETE FROM engine.registry_items WHERE domain = $1 AND name = $2", [
      domain,
      name,
    ]);
  }
}

function conflict(domain: string, name: string): never {
  throw fault("E_CONFLICT", `The registry item ${domain}/${name} does not have the expected version.`);
}
