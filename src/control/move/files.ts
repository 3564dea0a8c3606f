import { filesPrefix } from "../../core/tenant/file-key.ts";
import type { ListedObject } from "../../ports/objects.ts";
import { everyObject } from "../every-object.ts";
import type { RegionContext } from "../region-context.ts";
import type { ArrivalControl } from "./arrival.ts";

const filesAtOnce = 8;

/**
 * Makes the tenant's files in another region the same as here: sends what is new or changed since the last call, and
 * removes what went. What was sent is written down, so that a repeat begins with the rest.
 */
export async function sendFiles(
  context: RegionContext,
  target: Pick<ArrivalControl, "receiveFile" | "removeArrivedFiles">,
  { slug, operation }: { readonly slug: string; readonly operation: string },
): Promise<void> {
  const { pool, platform } = context;
  const { rows } = await pool.query<{ key: string; etag: string }>(
    "SELECT key, etag FROM moved_files WHERE operation = $1",
    [operation],
  );
  const sent = new Map(rows.map(({ key, etag }) => [key, etag]));
  const files = listChanged(context, slug, sent);
  const work = async () => {
    for await (const { key } of files) {
      const found = await platform.objects.get(key);
      // Deleted meanwhile: the next call sees that it is no longer listed.
      if (!found) continue;
      await target.receiveFile({ slug, key, contentType: found.info.contentType, body: found.body });
      await pool.query(
        `INSERT INTO moved_files (operation, key, etag) VALUES ($1, $2, $3)
         ON CONFLICT (operation, key) DO UPDATE SET etag = excluded.etag`,
        [operation, key, found.info.etag],
      );
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, work));
  // What was listed is no longer in the map: the rest is gone.
  const keys = [...sent.keys()];
  if (keys.length === 0) return;
  await target.removeArrivedFiles({ slug, keys });
  await pool.query("DELETE FROM moved_files WHERE operation = $1 AND key = ANY ($2)", [operation, keys]);
}

/** Files that were not sent as they are now; takes every file that there is out of `sent`. */
async function* listChanged(
  { platform }: RegionContext,
  slug: string,
  sent: Map<string, string>,
): AsyncGenerator<ListedObject> {
  for await (const object of everyObject(platform.objects, filesPrefix(slug))) {
    const isSame = sent.get(object.key) === object.etag;
    sent.delete(object.key);
    if (!isSame) yield object;
  }
}
