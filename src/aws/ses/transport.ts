import { type SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { createTransport } from "nodemailer";
import type { DeliveryOutcome } from "../../core/mail/delivery.ts";
import {
  compositionOf,
  deliveryDeadlineMilliseconds,
  longestErrorText,
  type MailTransport,
  type OutgoingMessage,
} from "../../postgres/mail/transport.ts";
import { isAwsError } from "../fault.ts";

/** SES takes one message a second in its sandbox and 14 or more out of it; the SDK slows down to that. */
const concurrency = 5;

/** SES's words for a sender that is not verified yet, or for a recipient that its sandbox does not allow. */
const unverified = /not verified/i;

/**
 * SES's `SendEmail` as the outbox's transport, with the message as nodemailer composes it; for that a role needs
 * `ses:SendRawEmail` beside `ses:SendEmail`. A message carries its tenant and its outbox id as tags of its events.
 */
export function createSesTransport(options: {
  readonly client: SESv2Client;
  readonly configurationSet?: string;
}): MailTransport {
  const { client, configurationSet } = options;
  const composer = createTransport({
    streamTransport: true,
    buffer: true,
    newline: "windows",
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    concurrency,
    async deliver(message) {
      try {
        const composed = await composer.sendMail(compositionOf(message));
        const command = new SendEmailCommand({
          // The sender is the one of the header, whose name is encoded there.
          Destination: { ToAddresses: [message.to.address] },
          Content: { Raw: { Data: composed.message as Buffer } },
          EmailTags: tagsOf(message),
          ...(configurationSet === undefined ? {} : { ConfigurationSetName: configurationSet }),
        });
        await client.send(command, { abortSignal: AbortSignal.timeout(deliveryDeadlineMilliseconds) });
        return { type: "sent" };
      } catch (error) {
        return outcomeOf(error);
      }
    },
    close: () => composer.close(),
  };
}

/** SES allows letters, digits, hyphens and underscores in a tag: other than elsewhere on AWS, no colon. */
function tagsOf({ id, tenant }: OutgoingMessage) {
  const message = { Name: "rowhouse-message", Value: id };
  return tenant === null ? [message] : [message, { Name: "rowhouse-tenant", Value: tenant }];
}

/**
 * Only what SES says of the message itself is final. What it says of the account, the sender's identity, the
 * configuration set or its own state leaves the message queued: an operator or time mends that.
 */
function outcomeOf(thrown: unknown): DeliveryOutcome {
  const error = String((thrown as { message?: unknown } | null)?.message ?? thrown).slice(
    0,
    longestErrorText,
  );
  const isUnverified = unverified.test(error) || isAwsError(thrown, "MailFromDomainNotVerifiedException");
  // The next message may be of another sender.
  if (isUnverified) return { type: "postponed", error, reached: true };
  if (isAwsError(thrown, "MessageRejected", "BadRequestException")) return { type: "refused", error };
  return { type: "postponed", error, reached: false };
}
