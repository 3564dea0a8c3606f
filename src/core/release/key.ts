/** Where a region's objects hold a release's zip. */
export function releaseKey(version: string): string {
  return `releases/${version}.zip`;
}
