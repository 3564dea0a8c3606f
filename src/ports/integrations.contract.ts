import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { IntegrationEvent, Integrations } from "./integrations.ts";

/** A notification as it arrived at a system. */
export interface ArrivedNotification {
  /** By which the receiver tells a repetition. */
  readonly id: string;
  readonly body: unknown;
}

/**
 * What every way to tell outside systems must do. `make` gives one where `crm` and `billing` are configured and
 * `support` is not; `answer` sets how the CRM answers from now on, one status per attempt, the last one for all
 * further ones.
 */
export function integrationsContract(
  name: string,
  make: () => Promise<{
    readonly integrations: Integrations;
    answer(statuses: readonly number[]): void;
    arrivedAt(system: "crm" | "billing"): readonly ArrivedNotification[];
    dispose(): Promise<void>;
  }>,
): void {
  describe(`${name}: integrations`, () => {
    let parts: Awaited<ReturnType<typeof make>>;
    beforeAll(async () => {
      parts = await make();
    });
    afterAll(() => parts.dispose());

    const newEvent = (): IntegrationEvent => ({
      type: "tenant.created",
      id: `evt-${randomUUID()}`,
      occurredAt: new Date("2026-01-02T03:04:05.678Z"),
      data: { slug: "acme", name: "Größe & Söhne 🏠", seats: 5, trial: true },
    });
    const arrivals = (id: string) => parts.arrivedAt("crm").filter((arrived) => arrived.id === id);

    test("deliver an event with its id, type, time and data", async () => {
      parts.answer([200]);
      const event = newEvent();
      expect(await parts.integrations.notify("crm", event)).toBe("delivered");
      expect(arrivals(event.id)).toEqual([
        { id: event.id, body: { type: event.type, timestamp: "2026-01-02T03:04:05.678Z", data: event.data } },
      ]);
    });

    test("tell one system and no other", async () => {
      parts.answer([200]);
      const event = newEvent();
      await parts.integrations.notify("billing", event);
      expect(parts.arrivedAt("billing").map(({ id }) => id)).toContain(event.id);
      expect(arrivals(event.id)).toEqual([]);
    });

    test("say so when a system is not configured, and send nothing", async () => {
      const event = newEvent();
      expect(await parts.integrations.notify("support", event)).toBe("not-configured");
      expect(arrivals(event.id)).toEqual([]);
    });

    test("try again what failed, with the same id", async () => {
      parts.answer([500, 503, 202]);
      const event = newEvent();
      expect(await parts.integrations.notify("crm", event)).toBe("delivered");
      expect(arrivals(event.id)).toHaveLength(3);
    });

    test("name the system when it never accepts", async () => {
      parts.answer([500]);
      const event = newEvent();
      await expect(parts.integrations.notify("crm", event)).rejects.toMatchObject({
        code: "E_INTEGRATION",
        message: expect.stringContaining("crm"),
      });
      expect(arrivals(event.id).length).toBeGreaterThan(1);
    });

    test("don't repeat what was refused for good", async () => {
      parts.answer([410]);
      const event = newEvent();
      await expect(parts.integrations.notify("crm", event)).rejects.toMatchObject({
        code: "E_INTEGRATION",
        message: expect.stringContaining("410"),
      });
      expect(arrivals(event.id)).toHaveLength(1);
    });

    test("deliver many at once", async () => {
      parts.answer([200]);
      const events = Array.from({ length: 20 }, newEvent);
      const outcomes = await Promise.all(events.map((event) => parts.integrations.notify("crm", event)));
      expect(new Set(outcomes)).toEqual(new Set(["delivered"]));
      for (const { id } of events) expect(arrivals(id)).toHaveLength(1);
    });

    test("refuse an id that is none", async () => {
      for (const id of ["", "a b", "a\r\nx: y", "a.b", "ü"]) {
        const refused = parts.integrations.notify("crm", { ...newEvent(), id });
        await expect(refused).rejects.toMatchObject({ code: "E_ARGUMENT" });
      }
    });
  });
}
