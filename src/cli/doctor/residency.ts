import type { Command } from "commander";
import type { ResidencyReport } from "../../control/residency/report.ts";
import { openControlApi } from "../control-api.ts";
import type { Invocation } from "../invocation.ts";
import { table } from "../output.ts";

/** `rowhouse doctor --residency`. Exit code 1 when a tenant's data is where it must not be. */
export async function checkResidency(
  invocation: Invocation,
  command: Command,
  tenant: string | undefined,
): Promise<void> {
  const { output } = invocation;
  await using client = await openControlApi(invocation, command);
  output.progress(
    tenant === undefined
      ? "Signing a tenant up in each region, and looking for its data in all others …"
      : `Writing into the data of ${tenant}, and looking for it in all other regions …`,
  );
  const query = tenant === undefined ? "" : `?tenant=${encodeURIComponent(tenant)}`;
  const report = await client.request<ResidencyReport>(`/v1/residency-checks${query}`, { method: "POST" });
  output.result(report, () => describe(report));
  if (!report.ok) invocation.exitCode = 1;
}

function describe(report: ResidencyReport): string {
  const { tenants, searched, notSearched, findings } = report;
  const planted = tenants.map(({ slug, region, planted: kinds }) => [region, slug, kinds.join(", ")]);
  const looked = searched.map(({ where, store, places, bytes }) => [
    where,
    store,
    `${places}`,
    `${(bytes / 1_000_000).toFixed(1)} MB`,
  ]);
  const unseen = tenants
    .filter((tenant) => tenant.unseen.length > 0)
    .map(
      ({ slug, unseen: kinds }) =>
        `Nothing is proven of ${slug}'s ${kinds.join(", ")}: not seen at home either.`,
    );
  const found = findings.map(
    ({ kind, slug, from, foundIn, store, place, form }) =>
      `FOUND: the ${kind} of ${slug}, which lives in ${from}, in ${foundIn}, ${store}, ${place} (as ${form})`,
  );
  return [
    table(["REGION", "TENANT", "PLANTED"], planted),
    "",
    table(["SEARCHED", "STORE", "PLACES", "SIZE"], looked),
    "",
    ...notSearched.map(({ where, what }) => `Not searched in ${where}: ${what}.`),
    ...unseen,
    ...(found.length > 0 ? found : ["Nothing was found outside a tenant's own region."]),
  ].join("\n");
}
