import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Registry } from "./registry.ts";

/** What every launch registry must do. `make` gives one without items; reads see all finished writes. */
export function registryContract(
  name: string,
  make: () => Promise<{ readonly registry: Registry; dispose(): Promise<void> }>,
): void {
  describe(`${name}: registry`, () => {
    let registry: Registry;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ registry, dispose } = await make());
    });
    afterAll(() => dispose());

    test("keeps text, numbers and booleans as they are", async () => {
      const attributes = {
        text: 'Größe "x" \\ 🏠\n',
        empty: "",
        zero: 0,
        negative: -1.5,
        large: Number.MAX_SAFE_INTEGER,
        yes: true,
        no: false,
        "a key.with:marks": "1",
      };
      const put = await registry.put("kinds", "i-1", attributes);
      expect(put).toEqual({ name: "i-1", attributes, version: 1 });
      expect(await registry.get("kinds", "i-1")).toEqual(put);
    });

    test("has nothing under an unknown name, or under the same name in another domain", async () => {
      await registry.put("domain-a", "i-1", { here: "a" });
      expect(await registry.get("domain-a", "i-2")).toBeUndefined();
      expect(await registry.get("domain-b", "i-1")).toBeUndefined();
      expect(await registry.query("domain-b")).toEqual([]);
    });

    test("put replaces all attributes and grows the version by one", async () => {
      await registry.put("replace", "i-1", { old: 1, kept: "no" });
      const second = await registry.put("replace", "i-1", { new: 2 });
      expect(second).toEqual({ name: "i-1", attributes: { new: 2 }, version: 2 });
      expect((await registry.put("replace", "i-1", {})).version).toBe(3);
      expect(await registry.get("replace", "i-1")).toEqual({ name: "i-1", attributes: {}, version: 3 });
    });

    test("put with ifVersion 0 writes only what is absent", async () => {
      await registry.put("absent", "i-1", { first: true }, { ifVersion: 0 });
      await expect(registry.put("absent", "i-1", { first: false }, { ifVersion: 0 })).rejects.toMatchObject({
        code: "E_CONFLICT",
      });
      expect((await registry.get("absent", "i-1"))?.attributes).toEqual({ first: true });
    });

    test("put with ifVersion writes over exactly that version", async () => {
      await registry.put("expected", "i-1", { n: 1 });
      expect((await registry.put("expected", "i-1", { n: 2 }, { ifVersion: 1 })).version).toBe(2);
      await expect(registry.put("expected", "i-1", { n: 3 }, { ifVersion: 1 })).rejects.toMatchObject({
        code: "E_CONFLICT",
      });
      await expect(registry.put("expected", "i-2", { n: 3 }, { ifVersion: 1 })).rejects.toMatchObject({
        code: "E_CONFLICT",
      });
      expect((await registry.get("expected", "i-1"))?.attributes).toEqual({ n: 2 });
      expect(await registry.get("expected", "i-2")).toBeUndefined();
    });

    test("update changes the named attributes, removes those set to null and leaves the others", async () => {
      await registry.put("update", "i-1", { status: "pending", zone: "a", old: 1 });
      const updated = await registry.update("update", "i-1", {
        status: "running",
        pid: 42,
        old: null,
        never: null,
      });
      expect(updated).toEqual({
        name: "i-1",
        attributes: { status: "running", zone: "a", pid: 42 },
        version: 2,
      });
      expect(await registry.get("update", "i-1")).toEqual(updated);
    });

    test("update tells what is absent from what has changed", async () => {
      await registry.put("refused", "i-1", { n: 1 });
      await expect(registry.update("refused", "i-2", { n: 2 })).rejects.toMatchObject({
        code: "E_NOT_FOUND",
      });
      await expect(registry.update("refused", "i-2", { n: 2 }, { ifVersion: 1 })).rejects.toMatchObject({
        code: "E_NOT_FOUND",
      });
      await expect(registry.update("refused", "i-1", { n: 2 }, { ifVersion: 7 })).rejects.toMatchObject({
        code: "E_CONFLICT",
      });
      expect(await registry.get("refused", "i-1")).toEqual({ name: "i-1", attributes: { n: 1 }, version: 1 });
      expect((await registry.update("refused", "i-1", { n: 2 }, { ifVersion: 1 })).version).toBe(2);
    });

    test("query finds the items that have all the attributes, by name", async () => {
      await registry.put("query", "i-b", { zone: "a", status: "running", n: 1 });
      await registry.put("query", "i-a", { zone: "a", status: "running", n: 1, more: true });
      await registry.put("query", "i-c", { zone: "a", status: "stopped", n: 1 });
      await registry.put("query", "I-Z", { zone: "b", n: "1", status: "running" });
      const names = async (where?: Parameters<Registry["query"]>[1]) =>
        (await registry.query("query", where)).map((item) => item.name);
      expect(await names()).toEqual(["I-Z", "i-a", "i-b", "i-c"]);
      expect(await names({})).toEqual(["I-Z", "i-a", "i-b", "i-c"]);
      expect(await names({ zone: "a", status: "running" })).toEqual(["i-a", "i-b"]);
      expect(await names({ more: true })).toEqual(["i-a"]);
      expect(await names({ n: 1 })).toEqual(["i-a", "i-b", "i-c"]);
      expect(await names({ n: "1" })).toEqual(["I-Z"]);
      expect(await names({ zone: "c" })).toEqual([]);
    });

    test("query gives every item of a large domain", async () => {
      // More than one page of any engine: DynamoDB ends a page at 1 MB.
      const text = "x".repeat(20_000);
      const names = Array.from({ length: 60 }, (_, index) => `i-${String(index).padStart(3, "0")}`);
      await Promise.all(
        names.map((item) => registry.put("large", item, { text, even: Number(item.slice(2)) % 2 === 0 })),
      );
      expect((await registry.query("large")).map((item) => item.name)).toEqual(names);
      expect(await registry.query("large", { even: true })).toHaveLength(30);
    });

    test("delete removes the item, deleting again is no error, and a new one begins at version 1", async () => {
      await registry.put("delete", "i-1", { n: 1 });
      await registry.put("delete", "i-1", { n: 2 });
      await registry.delete("delete", "i-1");
      await registry.delete("delete", "i-1");
      expect(await registry.get("delete", "i-1")).toBeUndefined();
      expect((await registry.put("delete", "i-1", { n: 3 }, { ifVersion: 0 })).version).toBe(1);
    });

    test("of many who write the same version, one wins", async () => {
      await registry.put("race", "i-1", { n: 0 });
      const attempts = await Promise.allSettled(
        Array.from({ length: 8 }, (_, n) => registry.update("race", "i-1", { n }, { ifVersion: 1 })),
      );
      const created = await Promise.allSettled(
        Array.from({ length: 8 }, (_, n) => registry.put("race", "i-2", { n }, { ifVersion: 0 })),
      );
      expect(attempts.filter((attempt) => attempt.status === "fulfilled")).toHaveLength(1);
      expect(created.filter((attempt) => attempt.status === "fulfilled")).toHaveLength(1);
      expect((await registry.get("race", "i-1"))?.version).toBe(2);
    });

    test("concurrent updates of different attributes are all kept", async () => {
      await registry.put("merge", "i-1", {});
      await Promise.all(
        Array.from({ length: 8 }, (_, n) => registry.update("merge", "i-1", { [`k${n}`]: n })),
      );
      const item = await registry.get("merge", "i-1");
      expect(Object.keys(item?.attributes ?? {})).toHaveLength(8);
      expect(item?.version).toBe(9);
    });

    test.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses the number %s", async (n) => {
      await expect(registry.put("refuse", "i-1", { n })).rejects.toMatchObject({ code: "E_ARGUMENT" });
      await expect(registry.put("refuse", "", { n: 1 })).rejects.toMatchObject({ code: "E_ARGUMENT" });
      expect(await registry.query("refuse")).toEqual([]);
    });
  });
}
