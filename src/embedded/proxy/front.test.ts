import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createSystemClock } from "../../node/clock.ts";
import { Front } from "./front.ts";

let front: Front;
let port: number;
const sockets: Socket[] = [];

beforeEach(async () => {
  front = new Front({
    clock: createSystemClock(),
    maximumConnections: 3,
    handler: (request, response) => {
      if (request.url !== "/never") response.end("answer");
    },
  });
  port = await front.listen("127.0.0.1", 0);
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await front.close(0);
});

async function open(): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  sockets.push(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function get(socket: Socket, path = "/"): Promise<string> {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const [chunk] = await Promise.race([once(socket, "data"), once(socket, "close").then(() => ["closed"])]);
  return chunk.toString();
}

test("refuses a connection beyond the bound, and makes room by closing idle ones", async () => {
  const idle = [await open(), await open(), await open()];
  for (const socket of idle) expect(await get(socket)).toContain("answer");
  const surplus = await open();
  expect(await get(surplus)).toBe("closed");
  await Promise.all(idle.map((socket) => socket.closed || once(socket, "close")));
  expect(await get(await open())).toContain("answer");
});

test("a busy connection keeps its place", async () => {
  const busy = [await open(), await open(), await open()];
  for (const socket of busy) socket.write("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
  expect(await get(await open())).toBe("closed");
  expect(busy.every((socket) => !socket.closed)).toBe(true);
});

test("says which port is taken", async () => {
  const second = new Front({ clock: createSystemClock(), handler: () => {} });
  await expect(second.listen("127.0.0.1", port)).rejects.toMatchObject({
    code: "E_PORT_IN_USE",
    message: expect.stringContaining(`Port ${port}`),
  });
});
