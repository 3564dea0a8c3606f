import { execFile } from "node:child_process";
import { lookup } from "node:dns/promises";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { connect, createServer as createSocketServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { mapNames, setNames } from "../support/aws/names.ts";
import { freePort } from "../support/postgres-server.ts";

const run = promisify(execFile);
const host = "db.names.test";
let folder: string;
let file: string;
let server: Server;
let port: number;
let unmap: () => void;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rowhouse-names-"));
  file = join(folder, "names.json");
  server = createServer((request, response) =>
    response.end(`${request.headers.host} at ${request.socket.localAddress}`),
  );
  port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, "127.77.0.9", resolve));
  unmap = mapNames(file);
});
afterAll(async () => {
  unmap();
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

it("leads a name to the address in the file, for as long as it stands there", async () => {
  setNames(file, { [host]: "127.77.0.9", "other.test": "127.77.0.10" });
  const answer = await fetch(`http://${host}:${port}/`).then((response) => response.text());
  expect(answer).toBe(`${host}:${port} at 127.77.0.9`);
  expect(await lookup(host)).toEqual({ address: "127.77.0.9", family: 4 });
  expect(await lookup(host, { all: true })).toEqual([{ address: "127.77.0.9", family: 4 }]);
  setNames(file, { [host]: undefined });
  expect(JSON.parse(await readFile(file, "utf8"))).toEqual({ "other.test": "127.77.0.10" });
  await expect(lookup(host)).rejects.toThrow();
  expect(await lookup("localhost", { family: 4 })).toEqual({ address: "127.0.0.1", family: 4 });
});

it("takes a private address for the loopback address of the same ending", async () => {
  const answer = await fetch(`http://10.77.0.9:${port}/`).then((response) => response.text());
  expect(answer).toBe(`10.77.0.9:${port} at 127.77.0.9`);
  const socket = connect(port, "10.77.0.9");
  await new Promise((resolve) => socket.once("connect", resolve));
  expect(socket.remoteAddress).toBe("127.77.0.9");
  socket.destroy();
  for (const listen of [
    (listener: ReturnType<typeof createSocketServer>) => listener.listen(0, "10.77.0.11"),
    (listener: ReturnType<typeof createSocketServer>) => listener.listen({ port: 0, host: "10.77.0.11" }),
  ]) {
    const listener = listen(createSocketServer());
    await new Promise((resolve) => listener.once("listening", resolve));
    expect(listener.address()).toMatchObject({ address: "127.77.0.11" });
    listener.close();
  }
});

it("does the same in a program that it is preloaded into", async () => {
  setNames(file, { [host]: "127.77.0.9" });
  const preload = fileURLToPath(new URL("../support/aws/names.ts", import.meta.url));
  const program = `
    import { lookup } from "node:dns";
    lookup("${host}", async (error, address) => {
      const answers = ["${host}", "10.77.0.9"].map((name) => fetch("http://" + name + ":${port}/").then((r) => r.text()));
      console.log(JSON.stringify([address, ...(await Promise.all(answers))]));
    });`;
  const { stdout } = await run(
    process.execPath,
    ["--import", preload, "--input-type=module", "--eval", program],
    { env: { ...process.env, ROWHOUSE_TEST_NAMES: file } },
  );
  expect(JSON.parse(stdout)).toEqual([
    "127.77.0.9",
    `${host}:${port} at 127.77.0.9`,
    `10.77.0.9:${port} at 127.77.0.9`,
  ]);
});
