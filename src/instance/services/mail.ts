import type { Random } from "../../ports/clock.ts";
import type { Mail } from "../../ports/mail.ts";
import type { TenantMail } from "../tenant.ts";

/** Mail in a tenant's name, from the tenant's own address. */
export function createTenantMail(
  mail: Mail,
  sender: { readonly slug: string; readonly name: string; readonly domain: string; readonly random: Random },
): TenantMail {
  const { slug, name, domain, random } = sender;
  const from = senderAddress(name, `${slug}@${domain}`);
  return {
    async send({ to, subject, text, html, idempotencyKey }) {
      // The slug keeps one tenant's keys apart from another's.
      const key = `${slug}:${idempotencyKey ?? random.uuid()}`;
      return mail.send({
        tenant: slug,
        from,
        to,
        subject,
        text,
        ...(html === undefined ? {} : { html }),
        idempotencyKey: key,
      });
    },
  };
}

/** A mailbox with a display name, quoted so that no name can become another address. Source: RFC 5322, 3.4. */
export function senderAddress(name: string, address: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a line break would start another header
  const display = name.replace(/[\u0000-\u001f\u007f]+/g, " ").trim();
  return `"${display.replace(/[\\"]/g, "\\$&")}" <${address}>`;
}
