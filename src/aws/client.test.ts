import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { KMSClient, ListKeysCommand } from "@aws-sdk/client-kms";
import { afterEach, describe, expect, it } from "vitest";
import { emptyAccount } from "../../test/support/aws/account.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";

const servers: ReturnType<typeof createServer>[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A service that answers each call by the next of these, and by the last one for ever. */
async function service(
  ...answers: { readonly status: number; readonly type?: string; readonly message?: string }[]
) {
  let calls = 0;
  const server = createServer((_request, response) => {
    const { status, type, message } = answers[Math.min(calls++, answers.length - 1)]!;
    response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
    response.end(JSON.stringify(type ? { __type: type, message } : { Keys: [] }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const access: AwsAccess = {
    region: "eu-west-1",
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: { accessKeyId: "test", secretAccessKey: "test" },
  };
  const client = createAwsClient(KMSClient, access);
  return { call: () => client.send(new ListKeysCommand({})), calls: () => calls };
}

describe("a client", () => {
  it("calls the emulator", async () => {
    const client = createAwsClient(KMSClient, await emptyAccount());
    expect((await client.send(new ListKeysCommand({}))).Keys).toEqual([]);
  });

  it("tries again when it is throttled, until it is not", async () => {
    const { call, calls } = await service(
      { status: 400, type: "ThrottlingException", message: "Rate exceeded" },
      { status: 500, type: "InternalFailure", message: "no" },
      { status: 200 },
    );
    await call();
    expect(calls()).toBe(3);
  });

  it.each([
    [400, "ExpiredTokenException", "expired", "E_AWS_CREDENTIALS"],
    [400, "AccessDeniedException", "not authorized to perform: kms:ListKeys", "E_AWS_ACCESS"],
    [400, "VcpuLimitExceeded", "You have requested more vCPU capacity", "E_AWS_QUOTA"],
    [400, "ServiceQuotaExceededException", "too many keys", "E_AWS_QUOTA"],
  ])("tells %i %s as %s", async (status, type, message, code) => {
    const { call } = await service({ status, type, message });
    await expect(call()).rejects.toMatchObject({ code });
  });

  it("leaves what the call itself is at fault for to the adapter", async () => {
    const { call } = await service({ status: 400, type: "NotFoundException", message: "no such key" });
    await expect(call()).rejects.toMatchObject({ name: "NotFoundException" });
  });
});
