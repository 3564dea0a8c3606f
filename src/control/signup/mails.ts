import type { MailMessage } from "../../ports/mail.ts";
import type { RegionContext } from "../region-context.ts";
import type { SignupWorkflowInput } from "./workflow.ts";

/** The mail that tells the tenant's administrator where to go. */
export function welcomeMail(context: RegionContext, input: SignupWorkflowInput): MailMessage {
  const url = context.tenantUrl(input.slug);
  return {
    tenant: input.slug,
    from: sender(context),
    to: input.email,
    subject: `${input.name} is ready`,
    text: `Hello,

${input.name} is ready at ${url}

Your data is kept in ${input.region}, under the law of ${context.region.jurisdiction}.
`,
    idempotencyKey: `${input.id}.welcome`,
  };
}

/** One mail to each operator of the config. They learn the address; who the tenant is stays in the region. */
export function operatorMails(context: RegionContext, input: SignupWorkflowInput): MailMessage[] {
  return context.config.mail.operators.map((to) => ({
    tenant: null,
    from: sender(context),
    to,
    subject: `New tenant: ${input.slug}`,
    text: `${input.slug} signed up for the plan ${input.plan} in ${input.region}.\n`,
    idempotencyKey: `${input.id}.operator.${to}`,
  }));
}

function sender(context: RegionContext): string {
  return context.config.mail.from ?? `welcome@${context.config.domain}`;
}
