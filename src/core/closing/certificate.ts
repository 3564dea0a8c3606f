/** How much there was of one part of a tenant's data. */
export interface PartCount {
  /** What there was by its name, as in `{ files: 12, versions: 14, bytes: 90312 }`. */
  readonly counts: Readonly<Record<string, number>>;
  /** Rows of each table of the tenant's current schema. */
  readonly tables?: readonly { readonly name: string; readonly rows: number }[];
  /** Why a count is missing. */
  readonly note?: string;
}

/** What was there when the doors were closed, by part. */
export type Inventory = Readonly<Record<string, PartCount>>;

/** The last export: what was kept of the tenant, or why nothing was. */
export type FinalExport =
  | {
      readonly kept: true;
      /** In the region's bucket; encrypted with the region's key. */
      readonly key: string;
      /** Of what is stored. */
      readonly bytes: number;
      /** Hex, over the archive before its encryption. */
      readonly sha256: string;
      /** ISO 8601; then it is deleted. */
      readonly until: string;
    }
  | { readonly kept: false; readonly reason: string };

/** What the closing could not delete, and when it is gone by itself. */
export interface Remainder {
  readonly what: string;
  /** ISO 8601, at the latest; `null` when nothing deletes it by itself. */
  readonly until: string | null;
}

/** What one other region removed, which had something of the tenant, or could not be asked. */
export interface ElsewhereReport {
  readonly region: string;
  readonly removed?: Inventory;
  readonly note?: string;
}

/** What a certificate of deletion says. It holds nothing that tells who the tenant was. */
export interface CertificateBody {
  readonly version: 1;
  readonly slug: string;
  readonly region: string;
  readonly jurisdiction: string;
  readonly plan: string;
  readonly isolation: string;
  /** When the tenant was made; all times are ISO 8601. */
  readonly createdAt: string;
  /** Name of the operator who asked for the closing. */
  readonly askedBy: string;
  readonly askedAt: string;
  readonly completedAt: string;
  readonly removed: Inventory;
  readonly elsewhere: readonly ElsewhereReport[];
  readonly export: FinalExport;
  readonly remainders: readonly Remainder[];
}

/** A certificate as it is shown: `sha256` is over the body's canonical JSON, and the signature over the same text. */
export interface Certificate extends CertificateBody {
  /** Hex. */
  readonly sha256: string;
  readonly signature: {
    readonly algorithm: "Ed25519";
    /** The region's, as PEM (SPKI). */
    readonly publicKey: string;
    /** Base64. */
    readonly value: string;
  };
}

/** JSON with sorted keys and no spaces: the same value is always the same text (RFC 8785, for what occurs here). */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
  return `{${members.join(",")}}`;
}

/** The parts of which something is left, by an inventory taken after the removal. */
export function leftOf(inventory: Inventory): string[] {
  return Object.entries(inventory)
    .filter(([, { counts }]) => Object.values(counts).some((count) => count > 0))
    .map(([part]) => part);
}
