import { expect, test } from "vitest";
import { decideDelivery } from "./delivery.ts";

const postponed = { type: "postponed", error: "451 later", reached: true } as const;

test("pauses double from a minute to an hour", () => {
  const pauses = Array.from({ length: 9 }, (_, n) => {
    const decision = decideDelivery(postponed, { attempts: n + 1, ageSeconds: 0 });
    return decision.status === "queued" && decision.retryAfterSeconds;
  });
  expect(pauses).toEqual([60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]);
});

test("a message is tried for four days and no longer", () => {
  const day = 86_400;
  expect(decideDelivery(postponed, { attempts: 100, ageSeconds: 4 * day - 1 }).status).toBe("queued");
  expect(decideDelivery(postponed, { attempts: 100, ageSeconds: 4 * day }).status).toBe("failed");
});

test("an old message that is sent at last is sent", () => {
  expect(decideDelivery({ type: "sent" }, { attempts: 100, ageSeconds: 1e9 })).toEqual({ status: "sent" });
  const refused = { type: "refused", error: "550 no" } as const;
  expect(decideDelivery(refused, { attempts: 1, ageSeconds: 0 })).toEqual({
    status: "failed",
    error: "550 no",
  });
});
