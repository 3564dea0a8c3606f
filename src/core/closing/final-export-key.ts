/** Where a region's objects hold what is kept of closed tenants. */
export const finalExportsPrefix = "closed/";

const pattern = /^closed\/[^/]+\/(\d+)\/archive$/;

/** Says until when the export is kept, so that whoever holds one knows it without asking where the tenant was closed. */
export function finalExportKey(slug: string, until: Date): string {
  return `${finalExportsPrefix}${slug}/${until.getTime()}/archive`;
}

/** When what lies there is to go; `undefined` for a key that {@link finalExportKey} could not have made. */
export function finalExportEnd(key: string): Date | undefined {
  const milliseconds = pattern.exec(key)?.[1];
  return milliseconds === undefined ? undefined : new Date(Number(milliseconds));
}
