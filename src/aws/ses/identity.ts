import {
  CreateEmailIdentityCommand,
  DeleteEmailIdentityCommand,
  GetEmailIdentityCommand,
  type SESv2Client,
} from "@aws-sdk/client-sesv2";
import type { Dns } from "../../ports/dns.ts";
import { isAwsError } from "../fault.ts";
import { awsTags } from "../resources.ts";

const ttlSeconds = 1800;

/**
 * Lets a region send mail from the domain: makes it an identity of SES there, and publishes the keys by which SES finds
 * it to be ours and receivers find its mail to be signed. SES looks for them for up to 72 hours; until it has found them
 * mail waits in the outbox. Source: Amazon SES, "Easy DKIM".
 */
export async function ensureMailIdentity(parts: {
  readonly client: SESv2Client;
  readonly dns: Pick<Dns, "upsert">;
  readonly domain: string;
  readonly prefix: string;
}): Promise<void> {
  const { client, dns, domain, prefix } = parts;
  try {
    const Tags = [{ Key: awsTags.prefix, Value: prefix }];
    await client.send(new CreateEmailIdentityCommand({ EmailIdentity: domain, Tags }));
  } catch (error) {
    if (!isAwsError(error, "AlreadyExistsException")) throw error;
  }
  const { DkimAttributes } = await client.send(new GetEmailIdentityCommand({ EmailIdentity: domain }));
  for (const token of DkimAttributes?.Tokens ?? []) {
    await dns.upsert({
      name: `${token}._domainkey.${domain}`,
      type: "CNAME",
      ttlSeconds,
      values: [`${token}.dkim.amazonses.com`],
    });
  }
}

/** The region sends no mail from the domain any more; removing what is not there is no error. */
export async function removeMailIdentity(client: SESv2Client, domain: string): Promise<void> {
  try {
    await client.send(new DeleteEmailIdentityCommand({ EmailIdentity: domain }));
  } catch (error) {
    if (!isAwsError(error, "NotFoundException")) throw error;
  }
}
