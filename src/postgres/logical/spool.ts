import { randomUUID } from "node:crypto";
import { type FileHandle, open, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const lengthBytes = 4;
const readBytes = 1 << 20;

/**
 * Messages that have to wait, in a file without a name: it is gone when it is closed or its process ends, however that
 * happens.
 */
export class Spool {
  readonly #file: FileHandle;
  #size = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(): Promise<Spool> {
    const path = join(tmpdir(), `rowhouse-spool-${randomUUID()}`);
    const file = await open(path, "wx+", 0o600);
    await unlink(path);
    return new Spool(file);
  }

  /** Bytes that were added. */
  get size(): number {
    return this.#size;
  }

  async add(messages: readonly Buffer[]): Promise<void> {
    if (messages.length === 0) return;
    const parts = messages.flatMap((message) => {
      const length = Buffer.alloc(lengthBytes);
      length.writeUInt32BE(message.length);
      return [length, message];
    });
    const block = Buffer.concat(parts);
    for (let done = 0; done < block.length; ) {
      const { bytesWritten } = await this.#file.write(block, done, block.length - done, this.#size + done);
      done += bytesWritten;
    }
    this.#size += block.length;
  }

  /** All messages in their order. */
  async *messages(): AsyncGenerator<Buffer> {
    let rest: Buffer = Buffer.alloc(0);
    for (let at = 0; at < this.#size; ) {
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(readBytes), 0, readBytes, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      let used = 0;
      while (rest.length - used >= lengthBytes) {
        const end = used + lengthBytes + rest.readUInt32BE(used);
        if (end > rest.length) break;
        yield rest.subarray(used + lengthBytes, end);
        used = end;
      }
      rest = rest.subarray(used);
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}
