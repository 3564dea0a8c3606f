import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Mail, MailMessage } from "./mail.ts";

/**
 * What every engine of outgoing mail must do where a server is configured that takes messages. `received` gives the
 * subjects of what arrived at an address.
 */
export function mailContract(
  name: string,
  make: () => Promise<{
    readonly mail: Mail;
    received(address: string): Promise<readonly string[]>;
    dispose(): Promise<void>;
  }>,
): void {
  describe(`${name}: mail`, () => {
    let mail: Mail;
    let received: (address: string) => Promise<readonly string[]>;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ mail, received, dispose } = await make());
    });
    afterAll(() => dispose());

    const newAddress = () => `r-${randomUUID()}@reader.example`;
    const newTenant = () => `t-${randomUUID().slice(0, 8)}`;
    const message = (changes: Partial<MailMessage> = {}): MailMessage => ({
      tenant: newTenant(),
      from: "Acme <acme@bookshop.example>",
      to: newAddress(),
      subject: "Welcome",
      text: "Hello",
      idempotencyKey: randomUUID(),
      ...changes,
    });

    test("hands a message over and keeps it in the outbox", async () => {
      const sent = message({
        subject: "Grüße 🏠 – “quoted”",
        text: "Zeile 1\n.\nZeile 3\n",
        html: "<p>Hello</p>",
      });
      const { id, status } = await mail.send(sent);
      expect(status).toBe("sent");
      expect(await received(sent.to)).toEqual([sent.subject]);
      const { idempotencyKey: _, ...kept } = sent;
      expect(await mail.outbox({ tenant: sent.tenant })).toEqual([
        { ...kept, id, status: "sent", createdAt: expect.any(Date) },
      ]);
    });

    test("sends a key once, however often and by however many at once it is asked for", async () => {
      const sent = message();
      const answers = await Promise.all(Array.from({ length: 8 }, () => mail.send(sent)));
      const again = await mail.send({ ...sent, subject: "Another subject" });
      expect(new Set([...answers, again].map(({ id }) => id)).size).toBe(1);
      expect(again.status).toBe("sent");
      expect(await received(sent.to)).toEqual(["Welcome"]);
      expect(await mail.outbox({ tenant: sent.tenant })).toHaveLength(1);
    });

    test("takes the same key of two tenants, and of the platform, as three messages", async () => {
      const sent = message();
      const [other, platform] = [
        { ...sent, tenant: newTenant() },
        { ...sent, tenant: null },
      ];
      for (const each of [sent, other, platform, platform]) await mail.send(each);
      expect(await received(sent.to)).toHaveLength(3);
      expect((await mail.outbox({ tenant: null })).filter(({ to }) => to === sent.to)).toHaveLength(1);
    });

    test("shows each tenant's outbox alone, newest first, as much as asked for", async () => {
      const tenant = newTenant();
      for (const subject of ["1", "2", "3"]) await mail.send(message({ tenant, subject }));
      await mail.send(message({ subject: "other" }));
      const subjects = async (options: Parameters<Mail["outbox"]>[0]) =>
        (await mail.outbox(options)).map(({ subject }) => subject);
      expect(await subjects({ tenant })).toEqual(["3", "2", "1"]);
      expect(await subjects({ tenant, limit: 2 })).toEqual(["3", "2"]);
      expect(await subjects({ limit: 2 })).toEqual(["other", "3"]);
      expect(await subjects({ tenant: newTenant() })).toEqual([]);
    });

    test("keeps what goes to a suppressed address, and does not send it", async () => {
      const sent = message();
      await mail.suppress(sent.to.toUpperCase(), "bounced: no such user");
      await mail.suppress(sent.to, "bounced: no such user");
      const named = message({ tenant: sent.tenant, to: `Reader <${sent.to}>` });
      expect((await mail.send(sent)).status).toBe("suppressed");
      expect((await mail.send(named)).status).toBe("suppressed");
      expect(await mail.outbox({ tenant: sent.tenant })).toMatchObject([
        { status: "suppressed", error: "bounced: no such user" },
        { status: "suppressed", error: "bounced: no such user" },
      ]);
      expect(await received(sent.to)).toEqual([]);
    });

    test("sends to an address again that is no longer suppressed, but not what it missed", async () => {
      const missed = message({ subject: "missed" });
      await mail.suppress(missed.to, "complaint");
      await mail.send(missed);
      await mail.unsuppress(missed.to);
      await mail.unsuppress(newAddress());
      expect((await mail.send(message({ to: missed.to, subject: "next" }))).status).toBe("sent");
      expect((await mail.send(missed)).status).toBe("suppressed");
      await mail.deliverQueued();
      expect(await received(missed.to)).toEqual(["next"]);
    });

    test("forgets one tenant's messages and nobody else's", async () => {
      const [gone, kept] = [message(), message()];
      await Promise.all([mail.send(gone), mail.send(kept)]);
      expect(await mail.count(gone.tenant!)).toBe(1);
      await mail.forget(gone.tenant!);
      await mail.forget(gone.tenant!);
      expect(await mail.count(gone.tenant!)).toBe(0);
      expect(await mail.outbox({ tenant: gone.tenant })).toEqual([]);
      expect(await mail.outbox({ tenant: kept.tenant })).toHaveLength(1);
    });

    test("has nothing to deliver once all is sent", async () => {
      await mail.send(message());
      expect(await mail.deliverQueued()).toBe(0);
    });

    test.each([
      ["a line break in the subject", { subject: "Hi\r\nBcc: all@reader.example" }],
      ["a lone line feed in the subject", { subject: "Hi\nBcc: all@reader.example" }],
      ["a lone carriage return in the subject", { subject: "Hi\rBcc: all@reader.example" }],
      ["a zero character in the subject", { subject: "Hi\0" }],
      ["a line break in the recipient", { to: "a@reader.example\r\nBcc: all@reader.example" }],
      ["a line break in the recipient's name", { to: '"A\r\nBcc: x@y.example" <a@reader.example>' }],
      ["a line break in the sender", { from: "Acme\r\nX: y <acme@bookshop.example>" }],
      ["two recipients", { to: "a@reader.example, b@reader.example" }],
      ["two recipients in brackets", { to: "<a@reader.example> <b@reader.example>" }],
      ["a group of recipients", { to: "all: a@reader.example;" }],
      ["a recipient without a domain", { to: "reader" }],
      ["a recipient that has spaces", { to: "a b@reader.example" }],
      ["a recipient in a comment", { to: "a@reader.example (b@reader.example)" }],
      ["no recipient", { to: "" }],
      ["a recipient that is too long", { to: `${"a".repeat(250)}@reader.example` }],
      ["no sender", { from: "" }],
      ["no key", { idempotencyKey: "" }],
      ["a zero character in the text", { text: "a\0b" }],
    ])("refuses %s", async (_, change: Partial<MailMessage>) => {
      const refused = message(change);
      await expect(mail.send(refused)).rejects.toMatchObject({ code: "E_ARGUMENT" });
      expect(await mail.outbox({ tenant: refused.tenant })).toEqual([]);
    });
  });
}
