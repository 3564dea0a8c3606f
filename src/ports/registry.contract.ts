import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ContractSkips, skipCases } from "../../test/support/contract-skips.ts";
import type { Registry, RegistryAttributes } from "./registry.ts";

/** What every launch registry must do. `make` gives one without items; reads see all finished writes. */
export function registryContract(
  name: string,
  make: () => Promise<{ readonly registry: Registry; dispose(): Promise<void> }>,
  options: { readonly skip?: ContractSkips } = {},
): void {
  describe(`${name}: registry`, () => {
    skipCases(options.skip);
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

    test("an update that names nothing grows the version", async () => {
      await registry.put("touch", "i-1", { n: 1 });
      expect(await registry.update("touch", "i-1", {})).toEqual({
        name: "i-1",
        attributes: { n: 1 },
        version: 2,
      });
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

    test.each([
      ["a number that is none", { n: Number.NaN }],
      ["an endless number", { n: Number.POSITIVE_INFINITY }],
      ["a number that is too large", { n: 1e126 }],
      ["a number that is too small", { n: -1e-131 }],
      ["a zero character", { text: "a\0b" }],
      ["half a character", { text: "\ud800" }],
      ["an attribute without a name", { "": 1 }],
      ["more than an item holds", { text: "x".repeat(400_000) }],
    ])("refuses %s", async (_, attributes: RegistryAttributes) => {
      await expect(registry.put("refuse", "i-1", attributes)).rejects.toMatchObject({ code: "E_ARGUMENT" });
      expect(await registry.query("refuse")).toEqual([]);
    });

    test("refuses keys that are empty or too long", async () => {
      for (const [domain, item] of [
        ["", "i-1"],
        ["refuse-keys", ""],
        ["refuse-keys", "x".repeat(1025)],
        ["x".repeat(2049), "i-1"],
      ] as const) {
        await expect(registry.put(domain, item, { n: 1 })).rejects.toMatchObject({ code: "E_ARGUMENT" });
      }
      expect(await registry.query("refuse-keys")).toEqual([]);
    });

    test("keeps numbers of any size that DynamoDB knows", async () => {
      const attributes = { large: 9.5e125, small: -1.5e-130, integer: 1e21, third: 1 / 3 };
      await registry.put("numbers", "i-1", attributes);
      expect((await registry.get("numbers", "i-1"))?.attributes).toEqual(attributes);
      expect(await registry.query("numbers", { integer: 1e21, third: 1 / 3 })).toHaveLength(1);
    });

    const growTooLarge = async (domain: string) => {
      await registry.put(domain, "i-1", { first: "x".repeat(300_000) });
      await expect(registry.update(domain, "i-1", { second: "x".repeat(200_000) })).rejects.toMatchObject({
        code: "E_ARGUMENT",
      });
    };

    test("refuses the update that would make an item too large", () => growTooLarge("grow"));

    test("an update that would make an item too large changes nothing", async () => {
      await growTooLarge("grown");
      expect(await registry.get("grown", "i-1")).toEqual({
        name: "i-1",
        attributes: { first: "x".repeat(300_000) },
        version: 1,
      });
      await registry.update("grown", "i-1", { first: null, second: "x".repeat(200_000) });
    });

    test("takes many changes at once, and refuses more", async () => {
      const many = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, n]));
      await registry.put("many", "i-1", many(100));
      const updated = await registry.update("many", "i-1", { ...many(50), k0: null });
      expect(Object.keys(updated.attributes)).toHaveLength(99);
      await expect(registry.update("many", "i-1", many(51))).rejects.toMatchObject({ code: "E_ARGUMENT" });
      expect(await registry.query("many", { k1: 1, k2: 2, k99: 99 })).toHaveLength(1);
      await expect(registry.query("many", many(51))).rejects.toMatchObject({ code: "E_ARGUMENT" });
    });
  });
}
