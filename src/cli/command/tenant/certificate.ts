import type { Command } from "commander";
import type { CertificateDocument } from "../../../control/close/control.ts";
import type { Inventory, PartCount } from "../../../core/closing/certificate.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { pairs, table } from "../../output.ts";

/** `rowhouse tenant certificate <slug>`: what was deleted of a closed tenant. */
export function addTenantCertificate(parent: Command, invocation: Invocation): void {
  parent
    .command("certificate")
    .description("show the certificate of deletion of a closed tenant")
    .argument("<slug>", "the closed tenant's slug")
    .addHelpText("after", example(invocation, "$0 tenant certificate acme"))
    .action(async (slug: string, _options: object, command: Command) => {
      await using client = await openControlApi(invocation, command);
      const certificate = await client.request<CertificateDocument>(
        `/v1/tenants/${encodeURIComponent(slug)}/certificate`,
      );
      invocation.output.result(certificate, () => describeCertificate(certificate));
    });
}

/** A certificate for people. */
export function describeCertificate(certificate: CertificateDocument): string {
  const { slug, region, jurisdiction, plan, createdAt, askedBy, askedAt, completedAt } = certificate;
  const head = pairs({
    tenant: `${slug}, closed`,
    region: `${region}, under the law of ${jurisdiction}`,
    plan,
    "created at": createdAt,
    "asked for": `by ${askedBy} at ${askedAt}`,
    "completed at": completedAt,
    "last export": describeExport(certificate),
    sha256: certificate.sha256,
    signature: certificate.genuine ? "genuine (Ed25519)" : "NOT GENUINE: the certificate was changed",
  });
  const left = certificate.remainders.map(
    ({ what, until }) => `Not deleted: ${what}${until === null ? "." : `, gone at ${until} at the latest.`}`,
  );
  return [head, "", ...removedTables(certificate), ...(left.length > 0 ? ["", ...left] : [])].join("\n");
}

function removedTables({ removed, elsewhere }: CertificateDocument): string[] {
  const others = elsewhere.map(({ region, removed: inventory, note }) =>
    inventory ? `\nIn ${region}:\n${removedTable(inventory)}` : `In ${region}: ${note ?? ""}`,
  );
  return [removedTable(removed), ...others];
}

function removedTable(inventory: Inventory): string {
  const rows = Object.entries(inventory).map(([part, count]) => [part, describeCount(count)]);
  return table(["REMOVED", "HOW MUCH"], rows);
}

function describeCount({ counts, tables = [], note }: PartCount): string {
  const numbers = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  const rows = tables.length > 0 ? [`(${tables.map((one) => `${one.name}: ${one.rows}`).join(", ")})`] : [];
  return [numbers.join(", "), ...rows, ...(note === undefined ? [] : [note])].filter(Boolean).join(" ");
}

function describeExport({ export: kept, exportDeletedAt }: CertificateDocument): string {
  if (!kept.kept) return `none: ${kept.reason}`;
  if (exportDeletedAt !== undefined) return `deleted at ${exportDeletedAt}`;
  return `${kept.bytes} bytes, kept until ${kept.until}, SHA-256 ${kept.sha256}`;
}
