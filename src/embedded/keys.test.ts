import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createSeededRandom } from "../../test/support/fake-clock.ts";
import { runInProcess } from "../../test/support/node-process.ts";
import { keysContract } from "../ports/keys.contract.ts";
import { createKeys } from "./keys.ts";

let folder: string;
let file: string;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rowhouse-keys-"));
});
beforeEach(() => {
  file = join(folder, String(count++), "keys", "region.json");
});
afterAll(() => rm(folder, { recursive: true }));

keysContract("embedded", async () => {
  const own = await mkdtemp(join(tmpdir(), "rowhouse-keys-contract-"));
  return {
    keys: await createKeys({ file: join(own, "keys.json") }),
    dispose: () => rm(own, { recursive: true }),
  };
});

const context = { purpose: "test" };
const keysModule = { module: new URL("./keys.ts", import.meta.url) };

describe("the key file", () => {
  test("is made for its owner alone, and read again at the next start", async () => {
    const ciphertext = await (await createKeys({ file })).encrypt("kept", context);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await (await createKeys({ file })).decrypt(ciphertext, context)).toBe("kept");
  });

  test.each([0o640, 0o604, 0o660])(
    "is refused with mode %o, with the remedy in the message",
    async (mode) => {
      await createKeys({ file });
      await chmod(file, mode);
      await expect(createKeys({ file })).rejects.toMatchObject({
        code: "E_KEY_FILE",
        message: expect.stringContaining(`chmod 600 ${file}`),
      });
    },
  );

  test.each([
    ["empty", () => ""],
    ["cut off", (text: string) => text.slice(0, -10)],
    ["of an unknown format", (text: string) => text.replace('"format": 1', '"format": 2')],
    ["without keys", () => '{"format":1,"keys":[]}'],
    ["with a short key", (text: string) => text.replace(/"key": "..../, '"key": "')],
  ])("is refused and left as it is when it is %s", async (_, damage) => {
    await createKeys({ file });
    const damaged = damage(await readFile(file, "utf8"));
    await writeFile(file, damaged);
    const error = await createKeys({ file }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "E_KEY_FILE" });
    expect(await readFile(file, "utf8")).toBe(damaged);
  });

  test("ends with one key when several processes find none at the same time", async () => {
    const source = `
      const keys = await module.createKeys({ file: ${JSON.stringify(file)} });
      process.stdout.write(await keys.encrypt("from " + process.pid, ${JSON.stringify(context)}));`;
    const ciphertexts = await Promise.all([1, 2, 3, 4].map(() => runInProcess(source, keysModule)));
    const keys = await createKeys({ file });
    const texts = await Promise.all(ciphertexts.map((ciphertext) => keys.decrypt(ciphertext, context)));
    expect(new Set(texts).size).toBe(4);
    expect(JSON.parse(await readFile(file, "utf8")).keys).toHaveLength(1);
  });

  test("loses no key when several processes rotate at the same time", async () => {
    const first = await createKeys({ file });
    const before = await first.encrypt("before", context);
    const source = `
      const keys = await module.createKeys({ file: ${JSON.stringify(file)} });
      const ciphertexts = [];
      for (let n = 0; n < 5; n++) {
        await keys.rotate();
        ciphertexts.push(await keys.encrypt("x", ${JSON.stringify(context)}));
      }
      process.stdout.write(JSON.stringify(ciphertexts));`;
    const written = await Promise.all([1, 2, 3].map(() => runInProcess(source, keysModule)));
    // `first` still holds the first key alone, and reads the file again when it meets a newer one.
    for (const ciphertext of written.flatMap((text) => JSON.parse(text) as string[])) {
      expect(await first.decrypt(ciphertext, context)).toBe("x");
    }
    expect(await first.decrypt(before, context)).toBe("before");
    expect(JSON.parse(await readFile(file, "utf8")).keys).toHaveLength(16);
  });

  test("may be gone: then nothing is encrypted that nobody could read later", async () => {
    const keys = await createKeys({ file });
    const ciphertext = await keys.encrypt("x", context);
    await rm(file);
    await expect(keys.encrypt("y", context)).rejects.toMatchObject({ code: "E_KEY_FILE" });
    await expect(keys.rotate()).rejects.toMatchObject({ code: "E_KEY_FILE" });
    expect(await keys.decrypt(ciphertext, context)).toBe("x");
  });

  test("leaves no copy behind, not even that of a crashed writer", async () => {
    const keys = await createKeys({ file });
    await writeFile(`${file}.0b1f.tmp`, "half");
    await keys.rotate();
    const names = await readdir(join(file, ".."));
    expect(names.sort()).toEqual(["region.json", "region.json.lock"]);
  });
});

describe("a ciphertext", () => {
  test("names its key's version, the newest, in every process that shares the file", async () => {
    const [one, other] = [await createKeys({ file }), await createKeys({ file })];
    expect(await one.encrypt("x", context)).toMatch(/^rk1\.1\.[A-Za-z0-9_-]+$/);
    await one.rotate();
    expect(await other.encrypt("x", context)).toMatch(/^rk1\.2\./);
  });

  test("of a data key is not one of text, and the other way round", async () => {
    const keys = await createKeys({ file });
    const { ciphertext } = await keys.generateDataKey(context);
    await expect(keys.decrypt(ciphertext, context)).rejects.toMatchObject({ code: "E_DECRYPT" });
    const text = await keys.encrypt("x".repeat(32), context);
    await expect(keys.decryptDataKey(text, context)).rejects.toMatchObject({ code: "E_DECRYPT" });
  });

  test("of another region, or of a version that was never made, is refused", async () => {
    const keys = await createKeys({ file });
    const other = await createKeys({ file: `${file}.other` });
    const foreign = await other.encrypt("x", context);
    await expect(keys.decrypt(foreign, context)).rejects.toMatchObject({ code: "E_DECRYPT" });
    const unknown = foreign.replace("rk1.1.", "rk1.99.");
    await expect(keys.decrypt(unknown, context)).rejects.toMatchObject({ code: "E_DECRYPT" });
  });

  test("is the same under the same randomness: nothing else goes into it", async () => {
    const make = async (name: string) => {
      const keys = await createKeys({ file: `${file}.${name}`, random: createSeededRandom(1) });
      return keys.encrypt("x", context);
    };
    expect(await make("a")).toBe(await make("b"));
  });
});
