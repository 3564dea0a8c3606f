import { type Change, ChangeResourceRecordSetsCommand, type Route53Client } from "@aws-sdk/client-route-53";
import { isAwsError } from "../fault.ts";

/**
 * Of one request, where UPSERT counts twice: ResourceRecord elements, and characters of their values. Source: Amazon
 * Route 53 developer guide, "Maximum allowed sizes for ChangeResourceRecordSets requests".
 */
const mostRecords = 1_000;
const mostCharacters = 32_000;

interface Pending {
  readonly change: Change;
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Collects the changes of a zone that come while an earlier request is on its way, and sends them as one: Route 53 takes
 * one request of a zone at a time (PriorRequestNotComplete) and few a second. A request is all or nothing, so of one that
 * is refused each half is sent alone, until only who is at fault fails.
 */
export class ChangeQueue {
  readonly #client: Route53Client;
  readonly #hostedZoneId: string;
  readonly #pace: () => Promise<void>;
  readonly #waiting: Pending[] = [];
  #isRunning = false;

  constructor(options: { client: Route53Client; hostedZoneId: string; pace: () => Promise<void> }) {
    this.#client = options.client;
    this.#hostedZoneId = options.hostedZoneId;
    this.#pace = options.pace;
  }

  /** Resolves when Route 53 has accepted the change. @throws InvalidChangeBatch of the SDK, for this change alone */
  submit(change: Change): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ change, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#waiting.length > 0) {
        // Whatever is submitted until the call may start goes with it.
        await this.#pace();
        await this.#send(takeBatch(this.#waiting), true);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #send(batch: readonly Pending[], isPaced = false): Promise<void> {
    if (!isPaced) await this.#pace();
    try {
      const Changes = batch.map(({ change }) => change);
      await this.#client.send(
        new ChangeResourceRecordSetsCommand({ HostedZoneId: this.#hostedZoneId, ChangeBatch: { Changes } }),
      );
      for (const { resolve } of batch) resolve();
    } catch (error) {
      if (batch.length > 1 && isAwsError(error, "InvalidChangeBatch", "InvalidInput")) {
        const half = Math.ceil(batch.length / 2);
        await this.#send(batch.slice(0, half));
        await this.#send(batch.slice(half));
        return;
      }
      for (const { reject } of batch) reject(error);
    }
  }
}

/**
 * Takes from the front as much as one request holds. A second change of a name waits for the next: Route 53 refuses two
 * of one record in a request, and of one name their order matters.
 */
function takeBatch(waiting: Pending[]): Pending[] {
  const batch: Pending[] = [];
  const left: Pending[] = [];
  const names = new Set<string | undefined>();
  let [records, characters] = [0, 0];
  for (const pending of waiting.splice(0)) {
    const name = pending.change.ResourceRecordSet?.Name;
    const size = sizeOf(pending.change);
    const fits = records + size.records <= mostRecords && characters + size.characters <= mostCharacters;
    if (names.has(name) || (batch.length > 0 && !fits)) left.push(pending);
    else {
      batch.push(pending);
      records += size.records;
      characters += size.characters;
    }
    names.add(name);
  }
  waiting.unshift(...left);
  return batch;
}

function sizeOf({ Action, ResourceRecordSet }: Change): { records: number; characters: number } {
  const times = Action === "UPSERT" ? 2 : 1;
  const values = ResourceRecordSet?.ResourceRecords ?? [];
  const characters = values.reduce((sum, { Value = "" }) => sum + Value.length, 0);
  return { records: times * values.length, characters: times * characters };
}
