/**
 * Attributes are text, numbers and booleans, 384 KiB as JSON at most; what is secret is encrypted before it gets here.
 */
export type RegistryAttributes = Readonly<Record<string, string | number | boolean>>;

export interface RegistryItem {
  readonly name: string;
  readonly attributes: RegistryAttributes;
  /** Grows by one with each write. */
  readonly version: number;
}

/**
 * A region's launch registry: what an instance is to run, and what it says of itself. Items live in domains. What can't
 * be kept is refused with E_ARGUMENT, as are an update or a query that name more than 50 attributes.
 */
export interface Registry {
  get(domain: string, name: string): Promise<RegistryItem | undefined>;
  /** Replaces all attributes. `ifVersion`: 0 means "only if absent". @throws E_CONFLICT */
  put(
    domain: string,
    name: string,
    attributes: RegistryAttributes,
    options?: { readonly ifVersion?: number },
  ): Promise<RegistryItem>;
  /** Changes the named attributes and leaves the others; `null` removes one. @throws E_NOT_FOUND, E_CONFLICT */
  update(
    domain: string,
    name: string,
    changes: Readonly<Record<string, string | number | boolean | null>>,
    options?: { readonly ifVersion?: number },
  ): Promise<RegistryItem>;
  /** All items of the domain whose attributes equal all of `where`, by name. */
  query(domain: string, where?: RegistryAttributes): Promise<readonly RegistryItem[]>;
  delete(domain: string, name: string): Promise<void>;
}
