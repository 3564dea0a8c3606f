import { Webhook } from "standardwebhooks";
import { Agent, fetch } from "undici";
import type { Config } from "../core/config/schema.ts";
import { fault } from "../core/error.ts";
import {
  defaultWebhookRetryPolicy,
  type WebhookAnswer,
  type WebhookRetryPolicy,
  webhookPause,
} from "../core/integration/retry.ts";
import type { Clock, Random } from "../ports/clock.ts";
import type { IntegrationEvent, IntegrationName, Integrations } from "../ports/integrations.ts";
import { createSystemRandom } from "./clock.ts";

/** What a person calls the system that did not answer. */
const names: Readonly<Record<IntegrationName, string>> = {
  crm: "CRM",
  billing: "billing system",
  support: "support desk",
};

/** An id goes into a header and into the signed text, whose parts are joined by dots (Standard Webhooks, 1.0). */
const eventIdPattern = /^[A-Za-z0-9_:-]{1,256}$/;

/** Webhooks, and what their owner has to do for them. */
export interface WebhookIntegrations extends Integrations {
  /** Ends the connections once the deliveries under way are done. */
  close(): Promise<void>;
}

export interface IntegrationsOptions {
  readonly config: Config["integrations"];
  readonly clock: Clock;
  readonly retry?: Partial<WebhookRetryPolicy>;
  /** Only for the length of pauses. */
  readonly random?: Random;
}

/**
 * Signed webhooks by the Standard Webhooks specification: `POST` of `{ type, timestamp, data }` with the event's id
 * as `webhook-id`, the same for each attempt. Any 2xx accepts; redirects are not followed.
 */
export function createIntegrations(options: IntegrationsOptions): WebhookIntegrations {
  return new Webhooks(options);
}

class Webhooks implements WebhookIntegrations {
  readonly #config: Config["integrations"];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #retry: WebhookRetryPolicy;
  readonly #agent: Agent;

  constructor(options: IntegrationsOptions) {
    this.#config = options.config;
    this.#clock = options.clock;
    this.#random = options.random ?? createSystemRandom();
    this.#retry = { ...defaultWebhookRetryPolicy, ...options.retry };
    this.#agent = new Agent({ connect: { timeout: this.#retry.attemptTimeoutMilliseconds } });
  }

  async notify(system: IntegrationName, event: IntegrationEvent): Promise<"delivered" | "not-configured"> {
    const receiver = this.#config[system];
    if (!receiver) return "not-configured";
    if (!eventIdPattern.test(event.id)) {
      throw fault(
        "E_ARGUMENT",
        "An event's id has 1 to 256 letters, digits, hyphens, colons and underscores.",
      );
    }
    const webhook = new Webhook(receiver.secret);
    const body = JSON.stringify({
      type: event.type,
      timestamp: event.occurredAt.toISOString(),
      data: event.data,
    });
    const start = this.#clock.elapsedMilliseconds();
    for (let attempts = 1; ; attempts++) {
      const answer = await this.#post(receiver.url, body, this.#sign(webhook, event.id, body));
      if (isAccepted(answer)) return "delivered";
      const pause = webhookPause(this.#retry, answer, {
        attempts,
        elapsedMilliseconds: this.#clock.elapsedMilliseconds() - start,
        now: this.#clock.now(),
        chance: (this.#random.bytes(1)[0] ?? 0) / 255,
      });
      if (pause === undefined) throw notAccepted(system, answer, attempts);
      await this.#clock.sleep(pause);
    }
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }

  /** Of the attempt's own time: a receiver refuses what was signed minutes ago, as a replay. */
  #sign(webhook: Webhook, id: string, body: string): Record<string, string> {
    const now = this.#clock.now();
    return {
      "content-type": "application/json",
      "user-agent": "rowhouse",
      "webhook-id": id,
      "webhook-timestamp": String(Math.floor(now.getTime() / 1000)),
      "webhook-signature": webhook.sign(id, now, body),
    };
  }

  async #post(
    url: string,
    body: string,
    headers: Record<string, string>,
  ): Promise<WebhookAnswer & { cause?: unknown }> {
    try {
      const response = await fetch(url, {
        method: "POST",
        headers,
        body,
        redirect: "manual",
        dispatcher: this.#agent,
        signal: AbortSignal.timeout(this.#retry.attemptTimeoutMilliseconds),
      });
      // What it says beside the status is of no interest, and may be endless.
      await response.body?.cancel().catch(() => {});
      return { status: response.status, retryAfter: response.headers.get("retry-after") ?? undefined };
    } catch (cause) {
      return { status: undefined, cause };
    }
  }
}

function isAccepted({ status }: WebhookAnswer): boolean {
  return status !== undefined && status >= 200 && status < 300;
}

/** Names neither the address nor the event: both may hold what a log must not. */
function notAccepted(system: IntegrationName, answer: WebhookAnswer & { cause?: unknown }, attempts: number) {
  const what =
    answer.status === undefined ? `did not answer (${reasonOf(answer.cause)})` : `answered ${answer.status}`;
  const times = attempts === 1 ? "" : ` at the last of ${attempts} attempts`;
  return fault("E_INTEGRATION", `The ${names[system]} (integrations.${system}) ${what}${times}.`, {
    cause: answer.cause,
  });
}

/** The innermost code, as in ECONNREFUSED, or the kind of error. */
function reasonOf(error: unknown): string {
  const { cause, code, name } = (error ?? {}) as { cause?: unknown; code?: unknown; name?: unknown };
  if (cause !== undefined) return reasonOf(cause);
  return typeof code === "string" ? code : String(name ?? "unknown");
}
