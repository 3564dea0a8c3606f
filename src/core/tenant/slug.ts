import { fault } from "../error.ts";

/** A DNS label that starts with a letter: 1 to 40 characters. */
export const slugPattern = /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/;

/** Names that the platform, mail and browsers give a meaning of their own. */
export const reservedSlugs: ReadonlySet<string> = new Set(
  `www api console admin administrator mail smtp imap pop webmail static assets cdn status app apps localhost
  local root system rowhouse signup login logout account accounts auth oauth sso billing support help docs blog
  dev test staging internal intranet dns ns ns1 ns2 mx ftp ssh vpn proxy edge health metrics security abuse
  postmaster hostmaster webmaster noreply no-reply autoconfig autodiscover wpad isatap localdomain
  broadcasthost example invalid onion xn regions`.split(/\s+/),
);

/** True when `slug` has the form of a slug and is not reserved. */
export function isSlug(slug: string): boolean {
  return slugPattern.test(slug) && !reservedSlugs.has(slug);
}

/**
 * Returns the slug unchanged.
 * @throws E_TENANT_SLUG_INVALID, E_TENANT_SLUG_RESERVED
 */
export function parseSlug(slug: string): string {
  if (!slugPattern.test(slug)) {
    throw fault("E_TENANT_SLUG_INVALID", `The slug ${JSON.stringify(slug.slice(0, 80))} is not valid.`);
  }
  if (reservedSlugs.has(slug)) throw fault("E_TENANT_SLUG_RESERVED", `The slug "${slug}" is reserved.`);
  return slug;
}
