import type { UpSummary } from "../../control/up.ts";
import type { Config } from "../../core/config/schema.ts";
import { pairs, table } from "../output.ts";

/** Where everything is, once it is up. */
export function describeSummary(summary: UpSummary): string {
  const addresses = pairs({
    "Sign up": summary.url,
    Console: summary.consoleUrl,
    API: `${summary.apiUrl}/v1/openapi.json`,
    DNS: summary.dnsAddress,
    State: summary.stateDirectory,
  });
  const regions = table(
    ["REGION", "STATUS", "JURISDICTION", "BALANCER"],
    summary.regions.map(({ name, status, jurisdiction, balancerUrl }) => [
      name,
      status,
      jurisdiction,
      balancerUrl,
    ]),
  );
  return `${addresses}\n\n${regions}`;
}

/** The commands that one would give next. */
export function describeNext(commandName: string, config: Config): string {
  const region = Object.entries(config.regions).find(([, { start }]) => start)?.[0];
  const plan = Object.keys(config.plans)[0];
  const tenant = `acme --name "Acme Ltd" --region ${region} --plan ${plan} --email ada@acme.example`;
  return `Next:\n  ${commandName} tenant create ${tenant}\n  ${commandName} status`;
}
