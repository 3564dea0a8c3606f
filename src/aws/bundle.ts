/** What a server runs: its versions, and the hashes that the downloaded archives must have. */
export interface ServerSoftware {
  /** Node's own builds for Linux; a server takes the one of its processor. */
  readonly node: {
    readonly version: string;
    /** SHA-256 of the archive, in hexadecimal; at least that of the fleet's instance types. */
    readonly sha256: { readonly arm64?: string; readonly x64?: string };
  };
  /** The packed package with its production dependencies. */
  readonly rowhouse: { readonly version: string; readonly sha256: string };
}

/** Keys in a region's bucket of what servers fetch before they can run anything. */
export const bundleKeys = {
  /** Node's archive as nodejs.org gives it; all of it is below one folder. */
  node: (version: string, architecture: "arm64" | "x64") =>
    `rowhouse/node-v${version}-linux-${architecture}.tar.xz`,
  /** As `npm pack` makes it, with `node_modules` in it: all below `package/`, programs in `dist/programs/aws`. */
  rowhouse: (version: string) => `rowhouse/rowhouse-${version}.tgz`,
  /** Cookbooks for Chef without a server: a folder `cookbooks`. */
  cookbooks: "rowhouse/chef/cookbooks.tgz",
  /** The organization's validation key, with which a new server introduces itself to a Chef server. */
  chefValidationKey: "rowhouse/chef/validation.pem",
} as const;
