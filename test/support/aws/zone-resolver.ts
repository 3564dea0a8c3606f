import { Route53Client } from "@aws-sdk/client-route-53";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import { createDns } from "../../../src/aws/dns.ts";
import { createSystemClock } from "../../../src/node/clock.ts";

const longestChain = 8;

/** What a resolver would find in the emulator's hosted zone: follows a name's aliases to the last one. */
export async function resolveInZone(
  access: AwsAccess,
  zone: { readonly hostedZoneId: string; readonly domain: string },
  name: string,
): Promise<string> {
  const client = createAwsClient(Route53Client, access);
  const { hostedZoneId, domain } = zone;
  const dns = createDns({ client, hostedZoneId, zone: domain, clock: createSystemClock() });
  const records = await dns.list({ limit: 1000 });
  client.destroy();
  const aliases = new Map(
    records.flatMap((record) => (record.type === "CNAME" ? [[record.name, record.values[0]] as const] : [])),
  );
  let found = name;
  for (let links = 0; links < longestChain; links++) {
    const target = aliases.get(found) ?? aliases.get(found.replace(/^[^.]+/, "*"));
    if (target === undefined) break;
    found = target;
  }
  return found;
}
