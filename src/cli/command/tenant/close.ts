import type { Command } from "commander";
import type { CertificateDocument } from "../../../control/close/control.ts";
import type { TenantDocument } from "../../../control/tenant-document.ts";
import { confirm } from "../../confirm.ts";
import { openControlApi } from "../../control-api.ts";
import { example, type Invocation } from "../../invocation.ts";
import { describeCertificate } from "./certificate.ts";

/** `rowhouse tenant close <slug>`: asks first, and returns with the certificate when the tenant's data is gone. */
export function addTenantClose(parent: Command, invocation: Invocation): void {
  parent
    .command("close")
    .description("close a tenant for good: its data is deleted, and a certificate of it is kept")
    .argument("<slug>", "the tenant's slug")
    .option("--without-export", "keep no last export, and don't wait for a database that is away")
    .option("--yes", "don't ask")
    .addHelpText("after", example(invocation, "$0 tenant close acme --yes"))
    .action(
      async (
        slug: string,
        { yes, withoutExport }: { yes?: true; withoutExport?: true },
        command: Command,
      ) => {
        const { context, output } = invocation;
        await using client = await openControlApi(invocation, command);
        const path = `/v1/tenants/${encodeURIComponent(slug)}`;
        const { name, region } = await client.request<TenantDocument>(path);
        const kept = withoutExport ? "No export is kept." : "A last export is kept for a while.";
        await confirm(context, {
          text: `This deletes all data of ${slug}${name === null ? "" : ` (${name})`} in ${region} for good. ${kept}`,
          answer: slug,
          yes: yes === true,
        });
        output.progress(`Closing ${slug} …`);
        const tenant = await client.request<TenantDocument & { certificate: CertificateDocument }>(
          `${path}/close${withoutExport ? "?export=0" : ""}`,
          { method: "POST" },
        );
        output.result(tenant, () => describeCertificate(tenant.certificate));
      },
    );
}
