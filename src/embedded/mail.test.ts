import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/support/database.ts";
import { createFakeClock, type FakeClock } from "../../test/support/fake-clock.ts";
import { type MailAnswer, startMailServer, type TestMailServer } from "../../test/support/mail-server.ts";
import { freePort } from "../../test/support/postgres-server.ts";
import { createSystemClock } from "../node/clock.ts";
import { mailContract } from "../ports/mail.contract.ts";
import type { Mail, MailMessage } from "../ports/mail.ts";
import type { OutboxMail } from "../postgres/mail/outbox-mail.ts";
import { createMail, prepareMail } from "./mail.ts";

mailContract("embedded", async () => {
  const database = await createTestDatabase();
  await prepareMail(database.pool);
  const server = await startMailServer();
  const mail = createMail({ pool: database.pool, clock: createSystemClock(), smtp: server.url });
  return {
    mail,
    received: async (address) =>
      server.arrived.filter(({ to }) => to.includes(address)).map(({ subject }) => subject),
    dispose: async () => {
      await mail.close();
      await server.close();
      await database.drop();
    },
  };
});

let database: TestDatabase;
let clock: FakeClock;
let server: TestMailServer | undefined;
const opened: OutboxMail[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
  await prepareMail(database.pool);
});
beforeEach(async () => {
  clock = createFakeClock();
  await database.pool.query("TRUNCATE engine.outbox, engine.suppressions");
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await Promise.all(opened.splice(0).map((mail) => mail.close()));
});
afterAll(() => database.drop());

/** Mail as one process has it; each call is another process on the same outbox. */
function openMail(smtp?: string): OutboxMail {
  const mail = createMail({ pool: database.pool, clock, ...(smtp === undefined ? {} : { smtp }) });
  opened.push(mail);
  return mail;
}

async function openWith(answer?: (position: number) => MailAnswer | Promise<MailAnswer>) {
  const started = await startMailServer(answer && ((_, position) => answer(position)));
  server = started;
  return { server: started, mail: openMail(started.url) };
}

const message = (changes: Partial<MailMessage> = {}): MailMessage => ({
  tenant: "acme",
  from: '"Acme & Söhne" <acme@bookshop.example>',
  to: "reader@reader.example",
  subject: "Welcome",
  text: "Hello",
  idempotencyKey: randomUUID(),
  ...changes,
});
const statusOf = async (mail: Mail) => (await mail.outbox({})).map(({ status }) => status);

describe("a message on the wire", () => {
  test("has its headers and both bodies, and a Message-ID that does not tell its key", async () => {
    const { mail, server } = await openWith();
    await mail.send(
      message({ html: "<p>Hello</p>", text: "Hello\n.\nthere", idempotencyKey: "signup-secret" }),
    );
    const [arrived] = server.arrived;
    expect(arrived).toMatchObject({ from: "acme@bookshop.example", to: ["reader@reader.example"] });
    expect(arrived!.header("message-id")).toMatch(/^<[A-Za-z0-9_-]{43}@bookshop\.example>$/);
    expect(arrived!.header("auto-submitted")).toBe("auto-generated");
    expect(Date.parse(arrived!.header("date")!)).toBe(Math.floor(clock.now().getTime() / 1000) * 1000);
    expect(arrived!.source).toContain("text/plain");
    expect(arrived!.source).toContain("<p>Hello</p>");
    expect(arrived!.source).not.toContain("signup-secret");
  });

  test("has no header that its text looks like", async () => {
    const { mail, server } = await openWith();
    await mail.send(
      message({
        text: "Bcc: all@reader.example\r\n\r\nSubject: other",
        subject: "=?utf-8?q?x=0D=0ABcc:_y?=",
      }),
    );
    expect(server.arrived[0]!.header("bcc")).toBeUndefined();
    expect(server.arrived[0]!.to).toEqual(["reader@reader.example"]);
  });
});

describe("a passing fault", () => {
  test("leaves the message queued, and it goes out later with the same Message-ID", async () => {
    const { mail, server } = await openWith((n) => (n < 2 ? { code: 451, text: "greylisted" } : "accept"));
    expect((await mail.send(message())).status).toBe("queued");
    expect(await mail.outbox({})).toMatchObject([
      { status: "queued", error: expect.stringContaining("greylisted") },
    ]);
    expect(await mail.deliverQueued()).toBe(0);
    expect(server.arrived).toHaveLength(1);
    await clock.advance(60_000);
    expect(await mail.deliverQueued()).toBe(0);
    await clock.advance(60_000);
    expect(await mail.deliverQueued()).toBe(0);
    expect(server.arrived).toHaveLength(2);
    await clock.advance(60_000);
    expect(await mail.deliverQueued()).toBe(1);
    expect(await mail.outbox({})).toEqual([expect.not.objectContaining({ error: expect.anything() })]);
    expect(await statusOf(mail)).toEqual(["sent"]);
    expect(new Set(server.arrived.map((arrived) => arrived.header("message-id"))).size).toBe(1);
  });

  test("is a connection that breaks before the server answers: sent again, recognizable as the same", async () => {
    const { mail, server } = await openWith((n) => (n === 0 ? "drop" : "accept"));
    const sent = message();
    expect((await mail.send(sent)).status).toBe("queued");
    expect((await mail.send(sent)).status).toBe("queued");
    expect(server.arrived).toHaveLength(1);
    await clock.advance(60_000);
    expect(await mail.deliverQueued()).toBe(1);
    expect(server.arrived).toHaveLength(2);
    expect(server.arrived[0]!.header("message-id")).toBe(server.arrived[1]!.header("message-id"));
    await clock.advance(86_400_000);
    expect(await mail.deliverQueued()).toBe(0);
    expect(server.arrived).toHaveLength(2);
  });

  test("is a server that is away, which is not asked again for each message that waits", async () => {
    let connections = 0;
    const closed = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    closed.listen(0, "127.0.0.1");
    await once(closed, "listening");
    const mail = openMail(`smtp://127.0.0.1:${(closed.address() as { port: number }).port}`);
    for (let n = 0; n < 12; n++) expect((await mail.send(message())).status).toBe("queued");
    connections = 0;
    await clock.advance(60_000);
    expect(await mail.deliverQueued()).toBe(0);
    expect(connections).toBe(5);
    await new Promise((resolve) => closed.close(resolve));
  });

  test("is a port where nobody listens", async () => {
    const mail = openMail(`smtp://127.0.0.1:${await freePort()}`);
    expect((await mail.send(message())).status).toBe("queued");
  });

  test("is given up after four days", async () => {
    const { mail } = await openWith(() => ({ code: 451, text: "greylisted" }));
    await mail.send(message());
    await clock.advance(4 * 86_400_000);
    expect(await mail.deliverQueued()).toBe(0);
    expect(await mail.outbox({})).toMatchObject([
      { status: "failed", error: expect.stringMatching(/^Given up after 2 attempts: .*greylisted/) },
    ]);
  });
});

describe("a server that refuses", () => {
  test("a message for good ends its delivery", async () => {
    const { mail, server } = await openWith(() => ({ code: 554, text: "no spam here" }));
    expect((await mail.send(message())).status).toBe("failed");
    expect(await mail.outbox({})).toMatchObject([{ error: expect.stringContaining("no spam here") }]);
    await clock.advance(86_400_000);
    expect(await mail.deliverQueued()).toBe(0);
    expect(server.arrived).toHaveLength(1);
  });

  test("the login leaves the message queued, for the operator can mend that", async () => {
    const { mail } = await openWith(() => ({ code: 530, text: "Authentication required" }));
    expect((await mail.send(message())).status).toBe("queued");
  });
});

describe("several processes", () => {
  test("send each queued message once", async () => {
    const { mail, server } = await openWith((n) => (n < 40 ? { code: 451, text: "later" } : "accept"));
    await Promise.all(Array.from({ length: 40 }, (_, n) => mail.send(message({ subject: `message ${n}` }))));
    await clock.advance(60_000);
    const processes = [mail, openMail(server.url), openMail(server.url), openMail(server.url)];
    const sent = await Promise.all(processes.map((process) => process.deliverQueued()));
    expect(sent.reduce((a, b) => a + b)).toBe(40);
    const accepted = server.arrived.slice(40).map(({ subject }) => subject);
    expect(accepted).toHaveLength(40);
    expect(new Set(accepted).size).toBe(40);
    expect(server.atOnce.most).toBeGreaterThan(1);
  });

  test("send one key once between them", async () => {
    const { mail, server } = await openWith();
    const other = openMail(server.url);
    const sent = message();
    await Promise.all(Array.from({ length: 20 }, (_, n) => (n % 2 ? mail : other).send(sent)));
    expect(server.arrived).toHaveLength(1);
  });

  test("leave a message to whoever sends it just now, and take it over when that one has died", async () => {
    const release: ((answer: MailAnswer) => void)[] = [];
    const { mail, server } = await openWith(() => new Promise((resolve) => release.push(resolve)));
    const [heir, third] = [openMail(server.url), openMail(server.url)];
    const dying = mail.send(message());
    await expect.poll(() => release.length).toBe(1);
    await clock.advance(299_000);
    expect(await heir.deliverQueued()).toBe(0);
    await clock.advance(1_000);
    const inherited = heir.deliverQueued();
    await expect.poll(() => release.length).toBe(2);
    // The late word of the first sender does not end the second one's lease.
    release[0]?.("drop");
    expect((await dying).status).toBe("queued");
    await clock.advance(299_000);
    expect(await third.deliverQueued()).toBe(0);
    release[1]?.("accept");
    expect(await inherited).toBe(1);
    expect(await statusOf(mail)).toEqual(["sent"]);
    expect(server.arrived).toHaveLength(2);
  });
});

test("a message to an address that is suppressed while it waits is set aside", async () => {
  const { mail, server } = await openWith(() => ({ code: 451, text: "later" }));
  await mail.send(message());
  await mail.send(message({ to: "Other <other@reader.example>" }));
  await mail.suppress("Reader@reader.example", "bounced");
  await clock.advance(60_000);
  await mail.deliverQueued();
  expect(await mail.outbox({})).toMatchObject([
    { to: "Other <other@reader.example>", status: "queued" },
    { to: "reader@reader.example", status: "suppressed", error: "bounced" },
  ]);
  expect(server.arrived).toHaveLength(3);
});

test("without a server all is kept as not configured, and not sent when there is one later", async () => {
  const mail = openMail();
  const sent = message();
  expect((await mail.send(sent)).status).toBe("not-configured");
  expect(await mail.deliverQueued()).toBe(0);
  await mail.suppress("other@reader.example", "bounced");
  expect((await mail.send(message({ to: "other@reader.example" }))).status).toBe("suppressed");
  const { mail: configured, server } = await openWith();
  expect((await configured.send(sent)).status).toBe("not-configured");
  expect(await configured.deliverQueued()).toBe(0);
  expect(server.arrived).toEqual([]);
});

test("a password in the server's address is not in the error that the outbox keeps", async () => {
  const mail = openMail(`smtp://rowhouse:hunter2@127.0.0.1:${await freePort()}`);
  await mail.send(message());
  expect(JSON.stringify(await mail.outbox({}))).not.toContain("hunter2");
});
