import { expect, it } from "vitest";
import { dedicatedServerNote } from "./price.ts";

it("counts both nodes, and the storage of each", () => {
  expect(dedicatedServerNote("db.m7g.large")).toMatchObject({ quota: 40, monthlyUsd: 250 });
  expect(dedicatedServerNote("db.t4g.small").monthlyUsd).toBe(51);
});

it("names no price for a class that it does not know", () => {
  expect(dedicatedServerNote("db.x99.huge").monthlyUsd).toBeUndefined();
});
