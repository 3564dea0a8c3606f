import { defaultContentType } from "./key.ts";

/** Types that a browser shows without running anything in them; all others are downloads. */
const inlineTypes = /^(image\/(png|jpeg|gif|webp|avif|bmp|x-icon)|(audio|video)\/[\w.+-]+|text\/plain)(;|$)/i;

/** True for a content type that is safe to show, whoever stored the object. */
export function isShownInline(contentType: string): boolean {
  return inlineTypes.test(contentType);
}

/**
 * The Content-Disposition that an object is served with: shown where that is safe, or else saved, under the last segment
 * of its key, in both forms of RFC 6266. Without a type it is saved.
 */
export function contentDisposition(key: string, contentType = defaultContentType): string {
  const name = key.slice(key.lastIndexOf("/") + 1);
  const plain = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const encoded = encodeURIComponent(name).replace(
    /['()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  const type = isShownInline(contentType) ? "inline" : "attachment";
  return `${type}; filename="${plain}"; filename*=UTF-8''${encoded}`;
}
