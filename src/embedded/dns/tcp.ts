import type { Socket } from "node:net";

const maximumConnections = 64;
/** An asker that doesn't read its answers is cut off. */
const maximumUnreadBytes = 262_144;
const lengthBytes = 2;

export interface TcpOptions {
  /** All that are open, this one soon among them. */
  readonly connections: Set<Socket>;
  readonly answer: (message: Buffer) => Buffer | undefined;
  readonly idleMilliseconds: number;
}

/** Answers the messages of one TCP connection, each with its length in front (RFC 1035, section 4.2.2). */
export function serveTcp(socket: Socket, { connections, answer, idleMilliseconds }: TcpOptions): void {
  // The set is in the order of the last question: who has asked nothing for longest makes room.
  const [longest] = connections;
  if (connections.size >= maximumConnections) longest?.destroy();
  connections.add(socket);
  socket.once("close", () => connections.delete(socket));
  socket.on("error", () => socket.destroy());
  socket.setTimeout(idleMilliseconds, () => socket.destroy());
  let received: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= lengthBytes) {
      const end = lengthBytes + received.readUInt16BE(0);
      if (received.length < end) return;
      const reply = answer(received.subarray(lengthBytes, end));
      received = received.subarray(end);
      // What isn't worth an answer isn't DNS.
      if (!reply || socket.writableLength > maximumUnreadBytes) {
        socket.destroy();
        return;
      }
      connections.delete(socket);
      connections.add(socket);
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    }
  });
}
