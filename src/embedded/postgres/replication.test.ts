import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nextReplicationStep, type StandbyView } from "./replication.ts";

const healthy: StandbyView = {
  isConnected: true,
  isStreaming: true,
  isSynchronous: true,
  unflushedBytes: 0,
  lagBytes: 0,
  silentMilliseconds: 0,
  hasSlot: true,
};
const settled = { view: healthy, isWaitedFor: true, inSync: true, unheardMilliseconds: 0 };

describe("the next step of synchronous replication", () => {
  test("is none while all is well", () => {
    expect(nextReplicationStep(settled)).toBe("wait");
  });

  test("leads a standby that came back from catching up, over being waited for, to being in sync", () => {
    const away = { ...settled, isWaitedFor: false, inSync: false };
    const farBehind = { ...healthy, isSynchronous: false, unflushedBytes: 1e9 };
    const near = { ...farBehind, unflushedBytes: 1000 };
    expect(nextReplicationStep({ ...away, view: { ...farBehind, isStreaming: false } })).toBe("wait");
    expect(nextReplicationStep({ ...away, view: farBehind })).toBe("wait");
    expect(nextReplicationStep({ ...away, view: near })).toBe("join");
    expect(nextReplicationStep({ ...away, view: near, isWaitedFor: true })).toBe("wait");
    expect(nextReplicationStep({ ...away, view: healthy, isWaitedFor: true })).toBe("confirm");
  });

  test("releases the commits of a standby that is not heard of, and not at once", () => {
    const gone = { ...settled, view: { ...healthy, isConnected: false, isStreaming: false } };
    expect(nextReplicationStep({ ...gone, unheardMilliseconds: 1500 })).toBe("wait");
    expect(nextReplicationStep({ ...gone, unheardMilliseconds: 3000 })).toBe("release");
    // It hangs: its connection stands, and reports nothing.
    expect(nextReplicationStep({ ...settled, unheardMilliseconds: 3000 })).toBe("release");
  });

  test("never waits for a silent standby for ever, and trusts none that does not stream", () => {
    const now = fc.record({
      view: fc.record({
        isConnected: fc.boolean(),
        isStreaming: fc.boolean(),
        isSynchronous: fc.boolean(),
        unflushedBytes: fc.constantFrom(0, 1000, 1e9, 1e15),
        lagBytes: fc.constantFrom(null, 0, 1e9),
        silentMilliseconds: fc.nat(10_000),
        hasSlot: fc.boolean(),
      }),
      isWaitedFor: fc.boolean(),
      inSync: fc.boolean(),
      unheardMilliseconds: fc.nat(10_000),
    });
    fc.assert(
      fc.property(now, (state) => {
        const step = nextReplicationStep(state);
        if (state.isWaitedFor && state.unheardMilliseconds >= 3000) expect(step).toBe("release");
        if (!state.isWaitedFor) expect(["wait", "join"]).toContain(step);
        if (!state.view.isStreaming) expect(["wait", "release"]).toContain(step);
        if (step === "confirm") expect(state.view.isSynchronous && state.isWaitedFor).toBe(true);
      }),
    );
  });
});
