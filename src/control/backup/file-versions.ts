import type { ListedObject, ObjectInfo, Objects, ObjectVersion } from "../../ports/objects.ts";

/** The version of each object under a prefix that was the current one at some moment, by key. */
export type FileVersions = Readonly<Record<string, ListedVersion>>;

interface ListedVersion {
  readonly versionId: string;
  readonly size: number;
  readonly etag: string;
  /** ISO 8601. */
  readonly lastModified: string;
}

/** What is under the prefix now. Nobody may write there meanwhile. */
export async function currentVersions(
  objects: Pick<Objects, "list" | "listVersions" | "head">,
  prefix: string,
): Promise<FileVersions> {
  const versions = await versionsByKey(objects, prefix);
  const found: Record<string, ListedVersion> = {};
  for (let place: Place | undefined = {}; place; ) {
    const page: Awaited<ReturnType<Objects["list"]>> = await objects.list({ prefix, ...place });
    for (const { key } of page.objects) {
      const known = versions.get(key);
      // Which of several is the current one no list says.
      const current = known?.length === 1 ? known[0] : await objects.head(key);
      if (current) found[key] = toListed(current);
    }
    place = page.next === undefined ? undefined : { after: page.next };
  }
  return found;
}

type Place = { readonly after?: string };

async function versionsByKey(
  objects: Pick<Objects, "listVersions">,
  prefix: string,
): Promise<Map<string, ObjectVersion[]>> {
  const versions = new Map<string, ObjectVersion[]>();
  for (let place: Place | undefined = {}; place; ) {
    const page: Awaited<ReturnType<Objects["listVersions"]>> = await objects.listVersions({
      prefix,
      ...place,
    });
    for (const version of page.versions)
      versions.set(version.key, [...(versions.get(version.key) ?? []), version]);
    place = page.next === undefined ? undefined : { after: page.next };
  }
  return versions;
}

function toListed({ versionId, size, etag, lastModified }: ObjectVersion): ListedVersion {
  return { versionId, size, etag, lastModified: lastModified.toISOString() };
}

/** The objects as if those versions were the current ones still, for reading. */
export function filesAsOf(
  objects: Pick<Objects, "get">,
  versions: FileVersions,
): Pick<Objects, "list" | "head" | "get"> {
  const listed = Object.entries(versions)
    .map(
      ([key, { size, etag, lastModified }]): ListedObject => ({
        key,
        size,
        etag,
        lastModified: new Date(lastModified),
      }),
    )
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  const get: Objects["get"] = async (key, options) => {
    const version = versions[key];
    return version && objects.get(key, { ...options, versionId: version.versionId });
  };
  return {
    get,
    async list({ prefix, after = "", limit = 1000 }) {
      const rest = listed.filter(
        ({ key }) => key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0,
      );
      const page = rest.slice(0, limit);
      const last = page.at(-1);
      return rest.length > page.length && last ? { objects: page, next: last.key } : { objects: page };
    },
    async head(key): Promise<ObjectInfo | undefined> {
      const found = await get(key);
      found?.body.destroy();
      return found?.info;
    },
  };
}
