import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { oneAtATime } from "../../test/support/aws/one-at-a-time.ts";
import { makeRegistryTable } from "../../test/support/aws/registry-table.ts";
import { registryContract } from "../ports/registry.contract.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createRegistry } from "./registry.ts";

const onEmulator = process.env.ROWHOUSE_AWS_REAL !== "1";

registryContract(
  "aws",
  async () => {
    const { client, table, dispose } = await makeRegistryTable(await emptyAccount(), testPrefix());
    if (onEmulator) oneAtATime(client, ["UpdateItemCommand"]);
    return { registry: createRegistry({ client, table }), dispose };
  },
  {
    skip: onEmulator
      ? {
          "an update that would make an item too large changes nothing":
            "moto measures an item while it changes it, and keeps what it had changed by then",
        }
      : {},
  },
);

let access: AwsAccess;
let made: Awaited<ReturnType<typeof makeRegistryTable>>;
beforeAll(async () => {
  access = await emptyAccount();
  made = await makeRegistryTable(access, testPrefix());
});
afterAll(() => made.dispose());

/** A registry whose next write is done, and whose answer is lost as by a broken connection. */
function losingOneAnswer() {
  const client = createAwsClient(DynamoDBClient, access);
  let isLost = false;
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      if (context.commandName !== "UpdateItemCommand" || isLost) return result;
      isLost = true;
      throw Object.assign(new Error("socket hang up"), { name: "TimeoutError", code: "ECONNRESET" });
    },
    { step: "deserialize", priority: "high", name: "loseOneAnswer" },
  );
  return { registry: createRegistry({ client, table: made.table }), wasLost: () => isLost };
}

test("a write whose answer was lost does not stand in its own way", async () => {
  const first = losingOneAnswer();
  expect(await first.registry.put("lost", "i-1", { n: 1 }, { ifVersion: 0 })).toMatchObject({ version: 1 });
  const second = losingOneAnswer();
  expect(await second.registry.update("lost", "i-1", { n: 2 }, { ifVersion: 1 })).toEqual({
    name: "i-1",
    attributes: { n: 2 },
    version: 2,
  });
  expect([first.wasLost(), second.wasLost()]).toEqual([true, true]);
});

test.runIf(onEmulator)("the emulator keeps parts of an update that it refuses for its size", async () => {
  const registry = createRegistry(made);
  await registry.put("grown", "i-1", { first: "x".repeat(300_000) });
  await expect(registry.update("grown", "i-1", { second: "x".repeat(200_000) })).rejects.toMatchObject({
    code: "E_ARGUMENT",
  });
  expect((await registry.get("grown", "i-1"))?.version).toBe(2);
});

test("keeps an item in a form that other programs can read", async () => {
  const registry = createRegistry(made);
  await registry.put("form", "i-1", { text: "a", number: 1.5, yes: true });
  const { Item } = await made.client.send(
    new GetItemCommand({ TableName: made.table, Key: { domain: { S: "form" }, name: { S: "i-1" } } }),
  );
  expect(Item).toMatchObject({
    domain: { S: "form" },
    name: { S: "i-1" },
    attributes: { M: { text: { S: "a" }, number: { N: "1.5" }, yes: { BOOL: true } } },
    version: { N: "1" },
  });
});
