import { type ArrivedMessage, readMessage } from "../mail-message.ts";

/** What moto's dashboard shows of a message that was handed to SES as a whole. */
interface RawMessage {
  readonly source: string;
  readonly destinations: readonly string[];
  readonly raw_data: string;
}

/** All that was sent through the emulator at `endpoint`, by all accounts, oldest first. */
export async function sentMail(endpoint: string): Promise<readonly ArrivedMessage[]> {
  const response = await fetch(`${endpoint}/moto-api/data.json`);
  const models = (await response.json()) as { ses?: { RawMessage?: readonly RawMessage[] } };
  return (models.ses?.RawMessage ?? []).map(({ source, destinations, raw_data }) =>
    readMessage({ from: source, to: destinations, source: raw_data }),
  );
}
