/** What says whether a tenant's backup is due. */
export interface BackupSituation {
  readonly slug: string;
  readonly createdAt: Date;
  /** When the newest backup began, by the clock that also says what is due. */
  readonly begunAt: Date | null;
  /** When the newest attempt failed, if no backup came after it. */
  readonly failedAt: Date | null;
}

/** The pause after an attempt that failed, at most. */
const retryMilliseconds = 300_000;

/**
 * True when the tenant has no backup since its last turn. Turns come every `everySeconds`, at a moment that the slug
 * decides: the tenants' are spread evenly, and the same after a restart.
 */
export function isBackupDue(situation: BackupSituation, everySeconds: number, now: Date): boolean {
  const every = everySeconds * 1000;
  const { failedAt, begunAt, createdAt } = situation;
  if (failedAt && now.getTime() - failedAt.getTime() < Math.min(every / 4, retryMilliseconds)) return false;
  const turn = lastTurn(situation.slug, every, now.getTime());
  return createdAt.getTime() <= turn && (begunAt?.getTime() ?? Number.NEGATIVE_INFINITY) < turn;
}

function lastTurn(slug: string, every: number, now: number): number {
  const offset = Math.floor((stableHash(slug) / 2 ** 32) * every);
  return Math.floor((now - offset) / every) * every + offset;
}

/** FNV-1a with 32 bits, then mixed so that slugs that differ in their last letter lie far apart (MurmurHash3's end). */
function stableHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
