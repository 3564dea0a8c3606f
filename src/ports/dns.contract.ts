import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ContractSkips, skipCases } from "../../test/support/contract-skips.ts";
import type { Dns, DnsRecord } from "./dns.ts";

/** What every zone's records must do. `make` gives an empty zone, NS and SOA apart. */
export function dnsContract(
  name: string,
  make: () => Promise<{ readonly dns: Dns; readonly zone: string; dispose(): Promise<void> }>,
  options: { readonly skip?: ContractSkips } = {},
): void {
  describe(`${name}: dns`, () => {
    skipCases(options.skip);
    let dns: Dns;
    let zone: string;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ dns, zone, dispose } = await make());
    });
    afterAll(() => dispose());

    const newName = () => `t-${randomUUID()}.${zone}`;
    const all = async (limit?: number): Promise<DnsRecord[]> => {
      const records: DnsRecord[] = [];
      for (;;) {
        const after = records.at(-1)?.name;
        const page = await dns.list({
          ...(after !== undefined && { after }),
          ...(limit !== undefined && { limit }),
        });
        if (page.length === 0) return records;
        records.push(...page);
      }
    };
    const of = async (name: string) =>
      (await all()).filter((record) => record.name === name).toSorted((a, b) => (a.type < b.type ? -1 : 1));

    test.each<Pick<DnsRecord, "type" | "values">>([
      { type: "A", values: ["192.0.2.1", "192.0.2.2"] },
      { type: "AAAA", values: ["2001:db8::1"] },
      { type: "CNAME", values: ["host.example.net"] },
      { type: "TXT", values: ['say "hello" \\ ü', "x".repeat(600)] },
    ])("keeps a record of the type $type", async (part) => {
      const record = { name: newName(), ttlSeconds: 60, ...part };
      await dns.upsert(record);
      expect(await of(record.name)).toEqual([record]);
    });

    test("replaces the record of the same name and type, and no other", async () => {
      const name = newName();
      await dns.upsert({ name, type: "A", ttlSeconds: 60, values: ["192.0.2.1"] });
      await dns.upsert({ name, type: "TXT", ttlSeconds: 60, values: ["kept"] });
      await dns.upsert({ name, type: "A", ttlSeconds: 300, values: ["192.0.2.9"] });
      await dns.upsert({ name, type: "A", ttlSeconds: 300, values: ["192.0.2.9"] });
      expect(await of(name)).toEqual([
        { name, type: "A", ttlSeconds: 300, values: ["192.0.2.9"] },
        { name, type: "TXT", ttlSeconds: 60, values: ["kept"] },
      ]);
    });

    test("takes wildcards and the apex", async () => {
      const wildcard: DnsRecord = {
        name: `*.${newName()}`,
        type: "CNAME",
        ttlSeconds: 60,
        values: [`host.${zone}`],
      };
      const apex: DnsRecord = { name: zone, type: "TXT", ttlSeconds: 60, values: [randomUUID()] };
      for (const record of [wildcard, apex]) await dns.upsert(record);
      expect(await of(wildcard.name)).toEqual([wildcard]);
      expect(await of(zone)).toEqual([apex]);
    });

    test("a name's case and last dot make no difference", async () => {
      const name = newName();
      await dns.upsert({ name: `${name.toUpperCase()}.`, type: "A", ttlSeconds: 60, values: ["192.0.2.1"] });
      expect(await of(name)).toHaveLength(1);
      await dns.remove(name.toUpperCase(), "A");
      expect(await of(name)).toEqual([]);
    });

    test("removes one type of a name, and removing again is no error", async () => {
      const name = newName();
      await dns.upsert({ name, type: "A", ttlSeconds: 60, values: ["192.0.2.1"] });
      await dns.upsert({ name, type: "AAAA", ttlSeconds: 60, values: ["2001:db8::1"] });
      await dns.remove(name, "A");
      await dns.remove(name, "A");
      expect((await of(name)).map((record) => record.type)).toEqual(["AAAA"]);
      await dns.remove(newName(), "TXT");
    });

    test("an alias can't stand beside other records", async () => {
      const [alias, host] = [newName(), newName()];
      await dns.upsert({ name: alias, type: "CNAME", ttlSeconds: 60, values: [host] });
      await dns.upsert({ name: host, type: "A", ttlSeconds: 60, values: ["192.0.2.1"] });
      const conflict = { code: "E_CONFLICT" };
      await expect(
        dns.upsert({ name: alias, type: "A", ttlSeconds: 60, values: ["192.0.2.1"] }),
      ).rejects.toMatchObject(conflict);
      await expect(
        dns.upsert({ name: host, type: "CNAME", ttlSeconds: 60, values: [alias] }),
      ).rejects.toMatchObject(conflict);
      await dns.upsert({ name: alias, type: "CNAME", ttlSeconds: 60, values: [`other.${zone}`] });
      expect(await of(alias)).toMatchObject([{ values: [`other.${zone}`] }]);
    });

    test("refuses what the zone can't hold", async () => {
      const good: DnsRecord = { name: newName(), type: "A", ttlSeconds: 60, values: ["192.0.2.1"] };
      const wrong: Partial<DnsRecord>[] = [
        { name: "acme.elsewhere.example" },
        { values: ["not an address"] },
        { values: [] },
        { ttlSeconds: -1 },
        { type: "CNAME", name: zone, values: ["host.example.net"] },
      ];
      for (const part of wrong) {
        await expect(dns.upsert({ ...good, ...part })).rejects.toMatchObject({ code: "E_ARGUMENT" });
      }
      expect(await of(good.name)).toEqual([]);
    });

    test("lists page by page, each name once and with all its records", async () => {
      const names = Array.from({ length: 7 }, newName);
      for (const name of names) {
        await dns.upsert({ name, type: "A", ttlSeconds: 60, values: ["192.0.2.1"] });
        await dns.upsert({ name, type: "TXT", ttlSeconds: 60, values: ["both"] });
      }
      const key = (record: DnsRecord) => `${record.name} ${record.type}`;
      const whole = (await all()).map(key);
      expect(new Set(whole).size).toBe(whole.length);
      expect((await all(2)).map(key)).toEqual(whole);
      expect(new Set((await dns.list({ limit: 3 })).map((record) => record.name)).size).toBe(3);
      for (const name of names) expect(whole).toEqual(expect.arrayContaining([`${name} A`, `${name} TXT`]));
    });
  });
}
