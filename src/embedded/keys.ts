import { createCipheriv, createDecipheriv, hkdfSync } from "node:crypto";
import { fault } from "../core/error.ts";
import { createSystemRandom } from "../node/clock.ts";
import type { Random } from "../ports/clock.ts";
import type { EncryptionContext, Keys } from "../ports/keys.ts";
import { addKeyVersion, type MasterKeys, openKeyFile, rereadKeyFile } from "./key-file.ts";

const format = "rk1";
const saltBytes = 32;
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const ciphertextPattern = /^rk1\.([1-9]\d{0,9})\.([A-Za-z0-9_-]+)$/;

/** What a ciphertext holds: one kind is never taken for the other. */
type Kind = "text" | "data-key";

/**
 * A region's secrets under master keys in `file` (mode 0600; made when absent). A ciphertext is
 * `rk1.<master key's version>.<base64url of salt, sealed bytes and tag>`.
 * @throws E_KEY_FILE when the file is damaged or open to others
 */
export async function createKeys(options: {
  readonly file: string;
  readonly random?: Random;
}): Promise<Keys> {
  const random = options.random ?? createSystemRandom();
  const master = await openKeyFile(options.file, random);
  return new FileKeys(options.file, random, master);
}

class FileKeys implements Keys {
  readonly #file: string;
  readonly #random: Random;
  #master: MasterKeys;

  constructor(file: string, random: Random, master: MasterKeys) {
    this.#file = file;
    this.#random = random;
    this.#master = master;
  }

  async encrypt(plaintext: string, context: EncryptionContext): Promise<string> {
    return this.#seal("text", Buffer.from(plaintext, "utf8"), context);
  }

  async decrypt(ciphertext: string, context: EncryptionContext): Promise<string> {
    return (await this.#open("text", ciphertext, context)).toString("utf8");
  }

  async generateDataKey(context: EncryptionContext): Promise<{ plaintext: Uint8Array; ciphertext: string }> {
    const plaintext = this.#random.bytes(keyBytes);
    return { plaintext, ciphertext: await this.#seal("data-key", plaintext, context) };
  }

  async decryptDataKey(ciphertext: string, context: EncryptionContext): Promise<Uint8Array> {
    return new Uint8Array(await this.#open("data-key", ciphertext, context));
  }

  async rotate(): Promise<void> {
    this.#master = await addKeyVersion(this.#file, this.#random);
  }

  async #seal(kind: Kind, plaintext: Uint8Array, context: EncryptionContext): Promise<string> {
    // Another process may have rotated; and a key whose file is gone must not encrypt what nobody could read again.
    this.#master = await rereadKeyFile(this.#file, this.#master);
    const version = this.#master.newest;
    const salt = this.#random.bytes(saltBytes);
    const { key, nonce } = deriveMessageKey(this.#masterKey(version), kind, salt);
    const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(
      authenticatedData(kind, version, context),
    );
    const sealed = Buffer.concat([salt, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    return `${format}.${version}.${sealed.toString("base64url")}`;
  }

  async #open(kind: Kind, ciphertext: string, context: EncryptionContext): Promise<Buffer> {
    const { version, sealed } = parseCiphertext(ciphertext);
    if (version > this.#master.newest) this.#master = await rereadKeyFile(this.#file, this.#master);
    const salt = sealed.subarray(0, saltBytes);
    const { key, nonce } = deriveMessageKey(this.#masterKey(version), kind, salt);
    try {
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
        .setAAD(authenticatedData(kind, version, context))
        .setAuthTag(sealed.subarray(-tagBytes));
      return Buffer.concat([decipher.update(sealed.subarray(saltBytes, -tagBytes)), decipher.final()]);
    } catch (cause) {
      throw fault("E_DECRYPT", undefined, { cause });
    }
  }

  #masterKey(version: number): Uint8Array {
    const key = this.#master.byVersion.get(version);
    if (!key) throw fault("E_DECRYPT", `The region's key file has no key of version ${version}.`);
    return key;
  }
}

/**
 * Each message gets a key of its own from the master key and 32 random bytes (HKDF-SHA256, RFC 5869). So no AES key
 * comes near the limit of 2^32 messages under random 96-bit nonces (NIST SP 800-38D, 8.3), and the nonce, which no
 * other message uses with that key, can come from the same derivation.
 */
function deriveMessageKey(
  masterKey: Uint8Array,
  kind: Kind,
  salt: Uint8Array,
): { key: Buffer; nonce: Buffer } {
  const derived = Buffer.from(
    hkdfSync("sha256", masterKey, salt, `rowhouse ${format} ${kind}`, keyBytes + nonceBytes),
  );
  return { key: derived.subarray(0, keyBytes), nonce: derived.subarray(keyBytes) };
}

/** The context in one canonical form: pairs in the order of their names, as JSON, so that no two contexts meet. */
function authenticatedData(kind: Kind, version: number, context: EncryptionContext): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1));
  return Buffer.from(JSON.stringify([format, kind, version, pairs]), "utf8");
}

function parseCiphertext(ciphertext: string): { version: number; sealed: Buffer } {
  const match = ciphertextPattern.exec(ciphertext);
  const text = match?.[2] ?? "";
  const sealed = Buffer.from(text, "base64url");
  // Several texts decode to the same bytes; only the one that was made counts, so that any change is noticed.
  if (sealed.length < saltBytes + tagBytes || sealed.toString("base64url") !== text) {
    throw fault("E_DECRYPT", "The text is not a ciphertext of this region's keys.");
  }
  return { version: Number(match?.[1]), sealed };
}
