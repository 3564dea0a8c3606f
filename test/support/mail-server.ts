import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer } from "smtp-server";
import { type ArrivedMessage, readMessage } from "./mail-message.ts";

/** What the server answers: it takes the message, refuses it with a code, drops the connection, or stays silent. */
export type MailAnswer = "accept" | "drop" | "silence" | { readonly code: number; readonly text: string };

export interface TestMailServer {
  readonly url: string;
  /** All that arrived whole, in order and before it was answered, whatever the answer was. */
  readonly arrived: readonly ArrivedMessage[];
  /** How many messages are arriving just now, and the most that ever were. */
  readonly atOnce: { now: number; most: number };
  close(): Promise<void>;
}

/** A real mail server on loopback; `answer` decides over each message by its position, from 0. */
export async function startMailServer(
  answer: (message: ArrivedMessage, position: number) => MailAnswer | Promise<MailAnswer> = () => "accept",
): Promise<TestMailServer> {
  const arrived: ArrivedMessage[] = [];
  const atOnce = { now: 0, most: 0 };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ["STARTTLS", "AUTH"],
    logger: false,
    closeTimeout: 100,
    async onData(stream, session, callback) {
      atOnce.now++;
      atOnce.most = Math.max(atOnce.most, atOnce.now);
      const { mailFrom, rcptTo } = session.envelope;
      const message = readMessage({
        from: mailFrom ? mailFrom.address : "",
        to: rcptTo.map(({ address }) => address),
        source: await text(stream),
      });
      const decision = await answer(message, arrived.push(message) - 1);
      atOnce.now--;
      if (decision === "accept") callback(null, "kept");
      else if (decision === "drop") dropConnection(server, session.id);
      else if (decision !== "silence")
        callback(Object.assign(new Error(decision.text), { responseCode: decision.code }));
    },
  });
  // Clients that go away in the middle are part of the tests.
  server.on("error", () => {});
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    arrived,
    atOnce,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function dropConnection(server: SMTPServer, sessionId: string): void {
  for (const connection of server.connections) {
    if (connection.id === sessionId) connection._socket.destroy();
  }
}
