import { describe, expect, test } from "vitest";
import { isServerName } from "../database/server-name.ts";
import { lostSeconds } from "./point.ts";
import { recoveredServerName } from "./server-name.ts";

describe("the name of a server that was taken over", () => {
  test("says whose it was, and which failover that was unless it was the first", () => {
    expect(recoveredServerName("eu-west-1", "shared-1", 1)).toBe("eu-west-1-shared-1");
    expect(recoveredServerName("eu-west-1", "shared-1", 3)).toBe("eu-west-1-shared-1-3");
  });

  test("is one that a server can have, and its own, however long its parts are", () => {
    const servers = ["eu-west-1-shared-1", "tenant-0123456789abcdef", "tenant-0123456789abcdee"];
    const names = ["a-region-with-a-name-of-39-characters-x", "odd--region"].flatMap((region) =>
      servers.map((server) => recoveredServerName(region, server, 1)),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => !isServerName(name))).toEqual([]);
  });
});

describe("what was lost at most", () => {
  const at = (seconds: number) => new Date(1_700_000_000_000 + seconds * 1000);

  test("counts from the newest moment that had arrived, and one heartbeat more", () => {
    expect(lostSeconds(at(10), at(8.5))).toBe(2.5);
    expect(lostSeconds(at(10), at(10))).toBe(1);
  });

  test("is nothing when more arrived than the region had time to say", () => {
    expect(lostSeconds(at(10), at(12))).toBe(0);
  });
});
