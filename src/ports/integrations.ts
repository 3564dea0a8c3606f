/** The outside systems that hear of a tenant's life. */
export type IntegrationName = "crm" | "billing" | "support";

export interface IntegrationEvent {
  /** As in `tenant.created`, `tenant.closed`. */
  readonly type: string;
  /** The same id is delivered at least once and means the same event: receivers deduplicate by it. */
  readonly id: string;
  readonly occurredAt: Date;
  readonly data: Readonly<Record<string, unknown>>;
}

/** CRM, billing and support desk. */
export interface Integrations {
  /**
   * `not-configured` when no such system is named in the config: nothing was sent.
   * @throws E_INTEGRATION when the receiver did not accept it after all retries
   */
  notify(system: IntegrationName, event: IntegrationEvent): Promise<"delivered" | "not-configured">;
}
