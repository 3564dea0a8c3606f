import { fileKey, filesKeyPrefix, filesPrefix } from "../../core/tenant/file-key.ts";
import type { ListedObject, ObjectInfo, Objects } from "../../ports/objects.ts";
import type { ListedTenantFile, TenantFile, TenantFiles } from "../tenant.ts";

/** One tenant's part of the region's bucket. */
export function createTenantFiles(objects: Objects, slug: string): TenantFiles {
  const own = filesPrefix(slug);
  const toListed = ({ key, size, etag, lastModified }: ListedObject): ListedTenantFile => ({
    key: key.slice(own.length),
    size,
    etag,
    lastModified,
  });
  const toFile = (info: ObjectInfo): TenantFile => ({ ...toListed(info), contentType: info.contentType });
  return {
    async put(key, body, options = {}) {
      const bytes = typeof body === "string" ? Buffer.from(body) : body;
      const contentType =
        options.contentType ?? (typeof body === "string" ? "text/plain; charset=utf-8" : undefined);
      return toFile(
        await objects.put({ key: fileKey(slug, key), body: bytes, ...(contentType && { contentType }) }),
      );
    },
    async get(key) {
      const found = await objects.get(fileKey(slug, key));
      return found && { info: toFile(found.info), body: found.body };
    },
    async list({ prefix = "", after, limit } = {}) {
      const page = await objects.list({
        prefix: filesKeyPrefix(slug, prefix),
        ...(after === undefined ? {} : { after: fileKey(slug, after) }),
        ...(limit === undefined ? {} : { limit }),
      });
      const files = page.objects.map(toListed);
      return page.next === undefined ? { files } : { files, next: page.next.slice(own.length) };
    },
    async delete(key) {
      await objects.delete(fileKey(slug, key));
    },
    async url(key, { expiresInSeconds = 3600 } = {}) {
      return objects.url(fileKey(slug, key), { expiresInSeconds });
    },
  };
}
