import { randomUUID } from "node:crypto";
import {
  ChangeResourceRecordSetsCommand,
  type ChangeResourceRecordSetsCommandInput,
  CreateHostedZoneCommand,
  DeleteHostedZoneCommand,
  InvalidChangeBatch,
  Route53Client,
} from "@aws-sdk/client-route-53";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { createSystemClock } from "../node/clock.ts";
import { dnsContract } from "../ports/dns.contract.ts";
import type { DnsRecord } from "../ports/dns.ts";
import { createAwsClient } from "./client.ts";
import { createDns } from "./dns.ts";

const isReal = process.env.ROWHOUSE_AWS_REAL === "1";
/** The emulator has no rate to keep to. */
const clock = isReal ? createSystemClock() : { ...createSystemClock(), sleep: async () => {} };

async function makeZone() {
  const access = await emptyAccount();
  const client = createAwsClient(Route53Client, access);
  const zone = `${testPrefix()}.rowhouse.test`;
  const made = await client.send(new CreateHostedZoneCommand({ Name: zone, CallerReference: randomUUID() }));
  const hostedZoneId = made.HostedZone!.Id!;
  const dns = createDns({ client, hostedZoneId, zone, clock });
  const dispose = async () => {
    for (let records = await dns.list(); records.length > 0; records = await dns.list())
      await Promise.all(records.map(({ name, type }) => dns.remove(name, type)));
    await client.send(new DeleteHostedZoneCommand({ Id: hostedZoneId }));
    client.destroy();
  };
  return { access, zone, hostedZoneId, dns, dispose };
}

const conflictCase = "an alias can't stand beside other records";
dnsContract("aws", makeZone, {
  skip: isReal ? {} : { [conflictCase]: "moto takes an alias beside other records; Route 53 refuses it" },
});

describe("on Route 53", () => {
  type Changes = ChangeResourceRecordSetsCommandInput;
  let made: Awaited<ReturnType<typeof makeZone>>;
  let client: Route53Client;
  let calls: Changes[];
  /** What Route 53 does that the emulator doesn't: called with each change request before it is sent. */
  let before: (input: Changes) => Promise<void>;
  beforeAll(async () => {
    made = await makeZone();
    client = createAwsClient(Route53Client, made.access);
    // At the end of the stack, so that the SDK repeats what is thrown here as it would the service's own answer.
    client.middlewareStack.add(
      (next, context) => async (args) => {
        if (context.commandName === ChangeResourceRecordSetsCommand.name) {
          calls.push(args.input as Changes);
          await before(args.input as Changes);
        }
        return next(args);
      },
      { step: "finalizeRequest", priority: "low" },
    );
  });
  beforeEach(() => {
    calls = [];
    before = async () => {};
  });
  afterAll(async () => {
    client?.destroy();
    await made?.dispose();
  });

  const open = () => createDns({ client, hostedZoneId: made.hostedZoneId, zone: made.zone, clock });
  const record = (label: string, part: Partial<DnsRecord> = {}): DnsRecord => ({
    name: `${label}.${made.zone}`,
    type: "A",
    ttlSeconds: 60,
    values: ["192.0.2.1"],
    ...part,
  });
  const listed = async (name: string) =>
    (await made.dns.list({ limit: 10_000 })).filter((found) => found.name === name);
  /** All of these are there, as they are. */
  const expectListed = async (records: readonly DnsRecord[]) =>
    expect(await made.dns.list({ limit: 10_000 })).toEqual(expect.arrayContaining([...records]));
  const refusal = (message: string) =>
    new InvalidChangeBatch({ message, messages: [message], $metadata: { httpStatusCode: 400 } });
  const changesOf = (input: Changes) => input.ChangeBatch!.Changes!;

  test("a hundred changes at once are one call", async () => {
    const dns = open();
    const records = Array.from({ length: 100 }, (_, n) => record(`signup-${n}`));
    await Promise.all(records.map((one) => dns.upsert(one)));
    expect(calls).toHaveLength(1);
    await expectListed(records);
    calls = [];
    await Promise.all(records.map(({ name, type }) => dns.remove(name, type)));
    // Removing reads each record first, so these come one after another: most wait for a call that is on its way.
    expect(calls.length).toBeLessThan(60);
    expect(await listed(records[0]!.name)).toEqual([]);
  });

  test("a process makes at most five calls a second, and what comes meanwhile is one of them", async () => {
    const fakeClock = createFakeClock();
    const dns = createDns({ client, hostedZoneId: made.hostedZoneId, zone: made.zone, clock: fakeClock });
    await dns.upsert(record("paced-0"));
    const rest = Array.from({ length: 50 }, (_, n) => dns.upsert(record(`paced-${n + 1}`)));
    await fakeClock.untilSleeping();
    await fakeClock.advance(199);
    expect(calls).toHaveLength(1);
    rest.push(dns.upsert(record("paced-last")));
    await fakeClock.advance(1);
    await Promise.all(rest);
    expect(calls).toHaveLength(2);
  });

  test("no call is larger than Route 53 takes", async () => {
    const dns = open();
    const many = Array.from({ length: 600 }, (_, n) => record(`many-${n}`));
    const long = Array.from({ length: 20 }, (_, n) =>
      record(`long-${n}`, { type: "TXT", values: ["x".repeat(3_900)] }),
    );
    await Promise.all([...many, ...long].map((one) => dns.upsert(one)));
    for (const call of calls) {
      const values = changesOf(call).flatMap((change) => change.ResourceRecordSet!.ResourceRecords!);
      expect(2 * values.length).toBeLessThanOrEqual(1_000);
      expect(2 * values.reduce((sum, { Value }) => sum + Value!.length, 0)).toBeLessThanOrEqual(32_000);
    }
    expect(calls.length).toBeLessThan(12);
    await expectListed([...many, ...long]);
  });

  test("changes of one name are made in their order, none beside another", async () => {
    const dns = open();
    const values = Array.from({ length: 5 }, (_, n) => [`192.0.2.${n}`]);
    await Promise.all(values.map((value) => dns.upsert(record("again", { values: value }))));
    expect(calls).toHaveLength(5);
    expect(await listed(record("again").name)).toEqual([record("again", { values: ["192.0.2.4"] })]);
  });

  test("of many changes in one call only the refused one fails", async () => {
    const dns = open();
    const alias = record("conflict-7", { type: "CNAME", values: ["host.example.net"] });
    before = async (input) => {
      const { Name } =
        changesOf(input).find(({ ResourceRecordSet: set }) => set!.Type === "CNAME")?.ResourceRecordSet ?? {};
      if (Name === undefined) return;
      throw refusal(
        `RRSet of type CNAME with DNS name ${Name} is not permitted as it conflicts with other records with the same DNS name in zone ${made.zone}.`,
      );
    };
    const others = Array.from({ length: 20 }, (_, n) => record(`conflict-${n}`)).toSpliced(7, 1);
    const refused = dns.upsert(alias).catch((error: unknown) => error);
    await Promise.all(others.map((one) => dns.upsert(one)));
    expect(await refused).toMatchObject({ code: "E_CONFLICT" });
    await expectListed(others);
    expect(await listed(alias.name)).toEqual([]);
  });

  test("what Route 53 refuses for another reason is told in its words", async () => {
    before = async () => {
      throw refusal("InvalidCharacterString (Value is too long) encountered");
    };
    await expect(open().upsert(record("refused"))).rejects.toMatchObject({
      code: "E_ARGUMENT",
      message: expect.stringContaining("Value is too long"),
    });
  });

  test("a record that changes or goes while it is being removed is removed", async () => {
    const dns = open();
    const [changing, going] = [record("changing"), record("going")];
    await Promise.all([dns.upsert(changing), dns.upsert(going)]);
    before = async () => {
      before = async () => {};
      await made.dns.upsert({ ...changing, values: ["192.0.2.2"] });
      throw refusal(
        "Tried to delete resource record set but the values provided do not match the current values",
      );
    };
    await dns.remove(changing.name, "A");
    expect(await listed(changing.name)).toEqual([]);
    before = async () => {
      before = async () => {};
      await made.dns.remove(going.name, "A");
      throw refusal("Tried to delete resource record set but it was not found");
    };
    await dns.remove(going.name, "A");
    expect(await listed(going.name)).toEqual([]);
  });

  test("waits while an earlier request of another process is under way", async () => {
    let left = 2;
    before = async () => {
      if (left-- > 0)
        throw Object.assign(new Error("in progress"), { name: "PriorRequestNotComplete", $fault: "client" });
    };
    await open().upsert(record("patient"));
    expect(calls).toHaveLength(3);
    expect(await listed(record("patient").name)).toHaveLength(1);
  });

  test("what no record of ours can be is neither listed nor removed", async () => {
    const name = `entrance.${made.zone}.`;
    const AliasTarget = {
      HostedZoneId: "Z2FDTNDATAQYW2",
      DNSName: "d111.cloudfront.net.",
      EvaluateTargetHealth: false,
    };
    const change = (Action: "UPSERT" | "DELETE") => ({
      HostedZoneId: made.hostedZoneId,
      ChangeBatch: {
        Changes: [{ Action, ResourceRecordSet: { Name: name, Type: "A" as const, AliasTarget } }],
      },
    });
    await client.send(new ChangeResourceRecordSetsCommand(change("UPSERT")));
    const dns = open();
    expect(await listed(name.slice(0, -1))).toEqual([]);
    calls = [];
    await dns.remove(name, "A");
    expect(calls).toEqual([]);
    await client.send(new ChangeResourceRecordSetsCommand(change("DELETE")));
  });

  test("names come in the order of their labels from the last to the first", async () => {
    const names = ["b.order", "a.a.order", "z.a.order", "*.order", "order"];
    for (const label of names) await open().upsert(record(label));
    const order = (await made.dns.list({ limit: 10_000 }))
      .map(({ name }) => name)
      .filter((name) => /\border\./.test(name));
    expect(order).toEqual(
      ["order", "*.order", "a.a.order", "z.a.order", "b.order"].map((label) => `${label}.${made.zone}`),
    );
  });

  test.skipIf(isReal)(`the emulator does not refuse it: ${conflictCase}`, async () => {
    const name = `both.${made.zone}`;
    await open().upsert(record("both"));
    await open().upsert(record("both", { type: "CNAME", values: ["host.example.net"] }));
    expect(await listed(name)).toHaveLength(2);
  });
});
