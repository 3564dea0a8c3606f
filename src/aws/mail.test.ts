import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import {
  CreateEmailIdentityCommand,
  DeleteEmailIdentityCommand,
  GetSuppressedDestinationCommand,
  NotFoundException,
  SESv2Client,
} from "@aws-sdk/client-sesv2";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { emptyAccount } from "../../test/support/aws/account.ts";
import { type Emulator, startEmulator } from "../../test/support/aws/emulator.ts";
import { sentMail } from "../../test/support/aws/sent-mail.ts";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { createFakeClock, type FakeClock } from "../../test/support/fake-clock.ts";
import { mailContract } from "../ports/mail.contract.ts";
import type { MailMessage } from "../ports/mail.ts";
import { type AwsAccess, createAwsClient } from "./client.ts";
import { createMail, prepareMail } from "./mail.ts";

/** SES sends for who owns a domain, and nobody sees what arrives: there the contract needs the emulator. */
const onEmulator = process.env.ROWHOUSE_AWS_REAL !== "1";
/** On a real account an address whose identity is verified; mail goes to SES's own simulator. */
const realSender = process.env.ROWHOUSE_AWS_MAIL_FROM;

let database: TestDatabase;
let clock: FakeClock;
/** Of this file's own: to see what was sent, moto has to write down all that it holds. */
let emulator: Emulator | undefined;
beforeAll(async () => {
  if (onEmulator) emulator = await startEmulator();
  database = await createTestDatabase();
  await prepareMail(database.pool);
});
beforeEach(async () => {
  clock = createFakeClock();
  await database.pool.query("TRUNCATE engine.outbox, engine.suppressions");
});
afterAll(async () => {
  await database.drop();
  await emulator?.stop();
});

const message = (changes: Partial<MailMessage> = {}): MailMessage => ({
  tenant: "acme",
  from: '"Acme & Söhne" <acme@bookshop.example>',
  to: `r-${randomUUID()}@reader.example`,
  subject: "Welcome",
  text: "Hello",
  idempotencyKey: randomUUID(),
  ...changes,
});

/** moto lacks SES's suppression list: this one answers in its place, as SES documents it. */
function withSuppressionList(client: SESv2Client): Map<string, string> {
  const list = new Map<string, string>();
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const { EmailAddress = "", Reason = "" } = args.input as { EmailAddress?: string; Reason?: string };
      const answer = { output: { $metadata: {} }, response: undefined };
      if (context.commandName === "PutSuppressedDestinationCommand") list.set(EmailAddress, Reason);
      else if (context.commandName !== "DeleteSuppressedDestinationCommand") return next(args);
      else if (!list.delete(EmailAddress))
        throw new NotFoundException({ message: "Not on the list.", $metadata: {} });
      return answer;
    },
    { step: "initialize", priority: "low", name: "suppressionList" },
  );
  return list;
}

/** SES in the emulator, which sends for `bookshop.example`. */
async function emulatedSes() {
  const access = await emptyAccount("eu-west-1", emulator?.endpoint);
  const client = createAwsClient(SESv2Client, access);
  await client.send(new CreateEmailIdentityCommand({ EmailIdentity: "bookshop.example" }));
  const suppressed = withSuppressionList(client);
  return {
    client,
    suppressed,
    arrived: async (address: string) =>
      (await sentMail(access.endpoint!)).filter(({ to }) => to.includes(address)),
    dispose: async () => {
      await client.send(new DeleteEmailIdentityCommand({ EmailIdentity: "bookshop.example" }));
      client.destroy();
    },
  };
}

if (onEmulator)
  mailContract("aws", async () => {
    const [contractDatabase, ses] = await Promise.all([createTestDatabase(), emulatedSes()]);
    await prepareMail(contractDatabase.pool);
    const mail = createMail({ client: ses.client, pool: contractDatabase.pool, clock: createFakeClock() });
    return {
      mail,
      received: async (address) => (await ses.arrived(address)).map(({ subject }) => subject),
      dispose: async () => {
        await mail.close();
        await Promise.all([contractDatabase.drop(), ses.dispose()]);
      },
    };
  });
else test.skip("aws: mail: nobody sees what arrives from a real account", () => {});

describe.runIf(onEmulator)("a message by SES", () => {
  let ses: Awaited<ReturnType<typeof emulatedSes>>;
  beforeAll(async () => {
    ses = await emulatedSes();
  });
  afterAll(() => ses.dispose());

  test("has the headers and bodies that it has by SMTP", async () => {
    const mail = createMail({ client: ses.client, pool: database.pool, clock });
    const sent = message({ html: "<p>Hello</p>", text: "Hello\n.\nthere", idempotencyKey: "signup-secret" });
    expect((await mail.send(sent)).status).toBe("sent");
    const [arrived] = await ses.arrived(sent.to);
    expect(arrived!.header("from")).toMatch(/^=\?UTF-8\?.*<acme@bookshop\.example>$/);
    expect(arrived!.header("message-id")).toMatch(/^<[A-Za-z0-9_-]{43}@bookshop\.example>$/);
    expect(arrived!.header("auto-submitted")).toBe("auto-generated");
    expect(arrived!.header("x-mailer")).toBeUndefined();
    expect(Date.parse(arrived!.header("date")!)).toBe(Math.floor(clock.now().getTime() / 1000) * 1000);
    expect(arrived!.source).toMatch(/\r\nHello\r\n\.\r\nthere\r\n/);
    expect(arrived!.source).toContain("<p>Hello</p>");
    expect(arrived!.source).not.toContain("signup-secret");
  });

  test("of a sender whose domain is not verified does not go out", async () => {
    const mail = createMail({ client: ses.client, pool: database.pool, clock });
    const sent = message({ from: "shop@elsewhere.example" });
    expect((await mail.send(sent)).status).not.toBe("sent");
    expect(await ses.arrived(sent.to)).toEqual([]);
  });

  test("is refused by the account's own list too, until the address is taken off", async () => {
    const mail = createMail({ client: ses.client, pool: database.pool, clock });
    await mail.suppress("Reader@Reader.example", "bounced: no such user");
    await mail.suppress("other@reader.example", "A complaint");
    expect([...ses.suppressed]).toEqual([
      ["reader@reader.example", "BOUNCE"],
      ["other@reader.example", "COMPLAINT"],
    ]);
    await mail.unsuppress("READER@reader.example");
    expect([...ses.suppressed.keys()]).toEqual(["other@reader.example"]);
  });

  test("the emulator has no suppression list of its own", async () => {
    const client = createAwsClient(SESv2Client, await emptyAccount("eu-west-1", emulator?.endpoint));
    await expect(
      client.send(new GetSuppressedDestinationCommand({ EmailAddress: "a@reader.example" })),
    ).rejects.toMatchObject({ name: "SyntaxError", $metadata: { httpStatusCode: 404 } });
  });
});

describe("what SES answers", () => {
  let close = () => {};
  afterEach(() => close());

  /** Mail whose SES answers every request the same way; moto knows none of these answers. */
  async function mailAnswering(exception: string, text: string, status = 400) {
    const requests: Record<string, unknown>[] = [];
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      requests.push(JSON.parse(Buffer.concat(chunks).toString() || "{}"));
      response.writeHead(status, { "content-type": "application/json", "x-amzn-errortype": exception });
      response.end(JSON.stringify({ message: text, MessageId: "ses-1" }));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    close = () => {
      server.closeAllConnections();
      server.close();
    };
    const access: AwsAccess = {
      region: "eu-west-1",
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      credentials: { accessKeyId: "test", secretAccessKey: "test" },
    };
    const client = createAwsClient(SESv2Client, access, { maxAttempts: 1 });
    const mail = createMail({ client, pool: database.pool, clock, configurationSet: "rowhouse" });
    return { mail, requests };
  }

  test("of a message's content ends its delivery", async () => {
    for (const [exception, text] of [
      ["MessageRejected", "Transaction failed: Illegal content"],
      ["BadRequestException", "Missing final '@domain'"],
    ] as const) {
      const { mail, requests } = await mailAnswering(exception, text);
      const { id, status } = await mail.send(message());
      expect(status).toBe("failed");
      expect(await mail.outbox({ limit: 1 })).toMatchObject([{ id, error: expect.stringContaining(text) }]);
      await clock.advance(86_400_000);
      expect(await mail.deliverQueued()).toBe(0);
      expect(requests).toHaveLength(1);
      close();
    }
  });

  test.each([
    [
      "MessageRejected",
      "Email address is not verified. The following identities failed the check: a@b.example",
    ],
    ["MailFromDomainNotVerifiedException", "The domain is not verified."],
    ["AccountSuspendedException", "The account is suspended."],
    ["SendingPausedException", "Sending is paused."],
    ["NotFoundException", "Configuration set rowhouse doesn't exist."],
    ["LimitExceededException", "Daily message quota exceeded."],
    ["TooManyRequestsException", "Maximum sending rate exceeded."],
    ["AccessDeniedException", "User is not authorized to perform ses:SendEmail."],
  ])("about anything but the message leaves it queued: %s", async (exception, text) => {
    const { mail, requests } = await mailAnswering(exception, text);
    expect((await mail.send(message())).status).toBe("queued");
    expect(await mail.outbox({})).toMatchObject([{ status: "queued", error: expect.any(String) }]);
    await clock.advance(60_000);
    expect(await mail.deliverQueued()).toBe(0);
    expect(requests).toHaveLength(2);
  });

  test("of itself ends a round of deliveries, and of one sender does not", async () => {
    for (const [exception, asked] of [
      ["SendingPausedException", 5],
      ["MailFromDomainNotVerifiedException", 12],
    ] as const) {
      await database.pool.query("TRUNCATE engine.outbox");
      const { mail, requests } = await mailAnswering(exception, "Not now.");
      for (let n = 0; n < 12; n++) await mail.send(message());
      requests.length = 0;
      await clock.advance(60_000);
      await mail.deliverQueued();
      expect(requests).toHaveLength(asked);
      close();
    }
  });

  test("is asked with the recipient's bare address, the tenant as a tag and the configuration set", async () => {
    const { mail, requests } = await mailAnswering("", "", 200);
    const { id, status } = await mail.send(message({ to: "Größe <reader@reader.example>" }));
    expect(status).toBe("sent");
    await mail.send(message({ tenant: null }));
    expect(requests).toMatchObject([
      {
        Destination: { ToAddresses: ["reader@reader.example"] },
        ConfigurationSetName: "rowhouse",
        EmailTags: [
          { Name: "rowhouse-message", Value: id },
          { Name: "rowhouse-tenant", Value: "acme" },
        ],
      },
      { EmailTags: [{ Name: "rowhouse-message" }] },
    ]);
  });

  test("to a change of its list that fails leaves the outbox's list as the safer one", async () => {
    const { mail } = await mailAnswering("TooManyRequestsException", "Slow down.");
    const to = "reader@reader.example";
    await expect(mail.suppress(to, "bounced")).rejects.toMatchObject({ code: "E_AWS_THROTTLED" });
    expect((await mail.send(message({ to }))).status).toBe("suppressed");
    await expect(mail.unsuppress(to)).rejects.toMatchObject({ code: "E_AWS_THROTTLED" });
    expect((await mail.send(message({ to }))).status).toBe("suppressed");
  });
});

test.runIf(!onEmulator && realSender !== undefined)("a real account sends and suppresses", async () => {
  const client = createAwsClient(SESv2Client, await emptyAccount("eu-west-1", emulator?.endpoint));
  const mail = createMail({ client, pool: database.pool, clock });
  const to = `success+${randomUUID()}@simulator.amazonses.com`;
  expect((await mail.send(message({ from: realSender!, to }))).status).toBe("sent");
  await mail.suppress(to, "bounced");
  try {
    const { SuppressedDestination } = await client.send(
      new GetSuppressedDestinationCommand({ EmailAddress: to }),
    );
    expect(SuppressedDestination?.Reason).toBe("BOUNCE");
  } finally {
    await mail.unsuppress(to);
  }
  await mail.unsuppress(to);
});
