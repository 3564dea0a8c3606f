import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { KMSClient, ListKeyRotationsCommand } from "@aws-sdk/client-kms";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { emptyAccount, testPrefix } from "../../test/support/aws/account.ts";
import { createTestKey } from "../../test/support/aws/key.ts";
import { createFakeClock } from "../../test/support/fake-clock.ts";
import { createSystemClock } from "../node/clock.ts";
import { keysContract } from "../ports/keys.contract.ts";
import type { Keys } from "../ports/keys.ts";
import { createAwsClient } from "./client.ts";
import { createKeys } from "./keys.ts";

const isReal = process.env.ROWHOUSE_AWS_REAL === "1";
const clock = createSystemClock();
const context = { purpose: "test" };

keysContract("aws", async () => {
  const { client, keyArn, remove } = await createTestKey(await emptyAccount(), testPrefix());
  return { keys: createKeys({ client, keyArn, clock }), dispose: remove };
});

describe("a key of KMS", () => {
  let one: Awaited<ReturnType<typeof createTestKey>>;
  let other: Awaited<ReturnType<typeof createTestKey>>;
  let keys: Keys;
  beforeAll(async () => {
    const access = await emptyAccount();
    one = await createTestKey(access, testPrefix());
    other = await createTestKey(access, testPrefix());
    keys = createKeys({ ...one, clock });
  });
  afterAll(() => Promise.all([one.remove(), other.remove()]));

  test("seals more than the 4,096 bytes that KMS itself takes, and only its data key grows the text", async () => {
    const text = "ü".repeat(500_000);
    const ciphertext = await keys.encrypt(text, context);
    expect(ciphertext).toMatch(/^kt1\.[\w-]+\.[\w-]+$/);
    expect(ciphertext.length).toBeLessThan((1_000_000 * 4) / 3 + 500);
    expect(await keys.decrypt(ciphertext, context)).toBe(text);
  });

  test("keeps what seals a text apart from data keys", async () => {
    const text = await keys.encrypt("x", context);
    const dataKey = await keys.generateDataKey(context);
    const refused = { code: "E_DECRYPT" };
    await expect(keys.decrypt(dataKey.ciphertext, context)).rejects.toMatchObject(refused);
    await expect(keys.decryptDataKey(text, context)).rejects.toMatchObject(refused);
    const sealing = `kd1.${text.split(".")[2]}`;
    await expect(keys.decryptDataKey(sealing, context)).rejects.toMatchObject(refused);
  });

  test("does not open one text with the data key of another", async () => {
    const [a, b] = await Promise.all([keys.encrypt("a", context), keys.encrypt("b", context)]);
    const [, sealed] = a.split(".");
    const [, , key] = b.split(".");
    await expect(keys.decrypt(`kt1.${sealed}.${key}`, context)).rejects.toMatchObject({ code: "E_DECRYPT" });
  });

  test("does not open what another key encrypted", async () => {
    const ciphertext = await createKeys({ ...other, clock }).encrypt("x", context);
    // moto answers AccessDeniedException to what is an IncorrectKeyException.
    const code = isReal ? "E_DECRYPT" : "E_AWS_ACCESS";
    await expect(keys.decrypt(ciphertext, context)).rejects.toMatchObject({ code });
  });

  test("is rotated once the rotation is in KMS's list", async () => {
    const rotations = async () => {
      const { Rotations } = await one.client.send(new ListKeyRotationsCommand({ KeyId: one.keyArn }));
      return Rotations!.length;
    };
    const before = await rotations();
    await keys.rotate();
    expect(await rotations()).toBe(before + 1);
  });

  test.each(["aws:source", "rowhouse:kind"])("does not take %s for a name of a context", async (name) => {
    await expect(keys.encrypt("x", { [name]: "1" })).rejects.toMatchObject({ code: "E_ARGUMENT" });
    await expect(keys.decryptDataKey("kd1.AAAA", { [name]: "1" })).rejects.toMatchObject({
      code: "E_ARGUMENT",
    });
  });
});

/** What moto does not do by itself: a KMS whose answers are given here, by operation. */
describe("a KMS that refuses", () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  type Answer = { readonly status: number; readonly body: object };
  const refusal = (type: string): Answer => ({ status: 400, body: { __type: type, message: "because" } });

  async function kms(answer: (operation: string) => Answer) {
    const server = createServer((request, response) => {
      request.resume().on("end", () => {
        const { status, body } = answer(String(request.headers["x-amz-target"]).split(".")[1]!);
        response.writeHead(status, { "content-type": "application/x-amz-json-1.1" });
        response.end(JSON.stringify(body));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const access = {
      region: "eu-west-1",
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    };
    // The SDK tries again after a LimitExceededException, with pauses.
    const client = createAwsClient(KMSClient, access, { maxAttempts: 1 });
    closing.push(() => {
      client.destroy();
      server.close();
    });
    const fakeClock = createFakeClock();
    return {
      clock: fakeClock,
      keys: createKeys({ client, keyArn: "arn:aws:kms:::key/k", clock: fakeClock }),
    };
  }

  test.each([
    ["InvalidCiphertextException", "E_DECRYPT"],
    ["IncorrectKeyException", "E_DECRYPT"],
    ["KMSInvalidStateException", "E_DECRYPT"],
    ["DisabledException", "E_DECRYPT"],
    ["NotFoundException", "E_DECRYPT"],
    ["AccessDeniedException", "E_AWS_ACCESS"],
  ])("%s to decrypt is %s", async (type, code) => {
    const { keys } = await kms(() => refusal(type));
    await expect(keys.decrypt("kt1.AAAA.AAAA", context)).rejects.toMatchObject({ code });
    await expect(keys.decryptDataKey("kd1.AAAA", context)).rejects.toMatchObject({ code });
  });

  test.each([
    ["KMSInvalidStateException", "E_KEY_UNAVAILABLE"],
    ["DisabledException", "E_KEY_UNAVAILABLE"],
    ["NotFoundException", "E_KEY_UNAVAILABLE"],
    ["AccessDeniedException", "E_AWS_ACCESS"],
  ])("%s to encrypt or rotate is %s", async (type, code) => {
    const { keys } = await kms(() => refusal(type));
    await expect(keys.encrypt("x", context)).rejects.toMatchObject({ code });
    await expect(keys.generateDataKey(context)).rejects.toMatchObject({ code });
    await expect(keys.rotate()).rejects.toMatchObject({ code });
  });

  test.each([
    ["LimitExceededException", "E_AWS_QUOTA", "25 times at most"],
    ["ConflictException", "E_CONFLICT", "by itself"],
  ])("%s to rotate is %s", async (type, code, message) => {
    const none = { status: 200, body: { Rotations: [], Truncated: false } };
    const { keys } = await kms((operation) => (operation === "RotateKeyOnDemand" ? refusal(type) : none));
    await expect(keys.rotate()).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  test("a rotation that takes its time is waited for, and not for ever", async () => {
    const done = { RotationType: "ON_DEMAND", RotationDate: 1 };
    let rotations = [{ ...done, RotationType: "AUTOMATIC" }, done];
    const answer = () => ({ status: 200, body: { Rotations: rotations, Truncated: false } });
    const { keys, clock } = await kms(answer);
    let isRotated = false;
    const rotated = keys.rotate().then(() => {
      isRotated = true;
    });
    await clock.untilSleeping();
    // An automatic rotation in between is not the one that was asked for.
    rotations = [...rotations, { ...done, RotationType: "AUTOMATIC" }];
    await clock.advance(2_000);
    await clock.untilSleeping();
    expect(isRotated).toBe(false);
    rotations = [...rotations, done];
    await clock.advance(2_000);
    await rotated;

    const late = expect(keys.rotate()).rejects.toMatchObject({ code: "E_AWS_UNAVAILABLE" });
    await clock.untilSleeping();
    await clock.advance(900_000);
    await late;
  });
});
