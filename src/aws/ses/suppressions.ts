import {
  DeleteSuppressedDestinationCommand,
  PutSuppressedDestinationCommand,
  type SESv2Client,
} from "@aws-sdk/client-sesv2";
import type { ServiceSuppressions } from "../../postgres/mail/outbox-mail.ts";
import { isAwsError } from "../fault.ts";

/**
 * The suppression list of the account in this region: SES takes a message to an address on it and drops it. All of the
 * account's applications share it.
 */
export function createSesSuppressions(client: SESv2Client): ServiceSuppressions {
  return {
    async add(address, reason) {
      await client.send(
        new PutSuppressedDestinationCommand({
          EmailAddress: address,
          Reason: /complain/i.test(reason) ? "COMPLAINT" : "BOUNCE",
        }),
      );
    },
    async remove(address) {
      try {
        await client.send(new DeleteSuppressedDestinationCommand({ EmailAddress: address }));
      } catch (error) {
        if (!isAwsError(error, "NotFoundException")) throw error;
      }
    },
  };
}
