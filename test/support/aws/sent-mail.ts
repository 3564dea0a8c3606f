import { setTimeout as sleep } from "node:timers/promises";
import { type ArrivedMessage, readMessage } from "../mail-message.ts";

const patienceMilliseconds = 20_000;

/** What moto's dashboard shows of a message that was handed to SES as a whole. */
interface RawMessage {
  readonly source: string;
  readonly destinations: readonly string[];
  readonly raw_data: string;
}

interface DashboardData {
  readonly ses?: { readonly RawMessage?: readonly RawMessage[] };
}

/** All that was sent through the emulator at `endpoint`, by all accounts, oldest first. */
export async function sentMail(endpoint: string): Promise<readonly ArrivedMessage[]> {
  const { ses } = await dashboardData(endpoint);
  return (ses?.RawMessage ?? []).map(({ source, destinations, raw_data }) =>
    readMessage({ from: source, to: destinations, source: raw_data }),
  );
}

/** The dashboard reads all that the emulator holds, and fails when another test changes that meanwhile. */
async function dashboardData(endpoint: string): Promise<DashboardData> {
  for (const deadline = Date.now() + patienceMilliseconds; ; await sleep(100)) {
    const response = await fetch(`${endpoint}/moto-api/data.json`);
    if (response.ok) return (await response.json()) as DashboardData;
    if (Date.now() > deadline) throw new Error(`moto's dashboard answered ${response.status}`);
  }
}
