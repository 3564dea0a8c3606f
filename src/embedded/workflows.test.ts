import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { workflowsContract } from "../ports/workflows.contract.ts";
import { createSystemClock } from "./clock.ts";
import { createWorkflows } from "./workflows.ts";

const clock = createSystemClock();

function connectionTo({ host, port, name }: TestDatabase) {
  return {
    endpoint: { nodes: [{ host, port }] },
    database: name,
    credentials: { user: "postgres", password: "" },
  };
}

workflowsContract("embedded", async () => {
  const database = await createTestDatabase();
  const open = () => createWorkflows({ connection: connectionTo(database), name: "eu-test-1", clock });
  return { workflows: open(), reopen: async () => open(), dispose: () => database.drop() };
});
