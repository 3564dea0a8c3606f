/** What a release says of itself; `manifest.json` inside its zip. */
export interface ReleaseManifest {
  readonly name: string;
  /** First 12 hex digits of the SHA-256 over all files: the same sources give the same version. */
  readonly version: string;
  /** The application's module inside the zip. */
  readonly entry: "app.js";
  /** In order; `sha256` of each file's bytes, hex. */
  readonly migrations: readonly { readonly file: string; readonly sha256: string }[];
  readonly assets: readonly string[];
}
