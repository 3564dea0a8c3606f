import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { fault } from "../../core/error.ts";

const nonceBytes = 12;
const tagBytes = 16;

/**
 * What one workflow is told and what its steps return, as text that says nothing: JSON, deflated, sealed (AES-256-GCM)
 * under the workflow's own data key, base64. Each text is bound to its place, so that none can be read at another's.
 */
export class Seal {
  readonly #key: Uint8Array;

  /** `key`: 256 bits. */
  constructor(key: Uint8Array) {
    this.#key = key;
  }

  close(value: unknown, place: string): string {
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv("aes-256-gcm", this.#key, nonce);
    cipher.setAAD(Buffer.from(place));
    const sealed = [cipher.update(deflateRawSync(JSON.stringify(value))), cipher.final()];
    return Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]).toString("base64");
  }

  /** @throws E_DECRYPT for a changed text, or one of another place or workflow */
  open(text: string, place: string): unknown {
    const bytes = Buffer.from(text, "base64");
    try {
      const nonce = bytes.subarray(0, nonceBytes);
      const decipher = createDecipheriv("aes-256-gcm", this.#key, nonce, { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(place));
      decipher.setAuthTag(bytes.subarray(nonceBytes, nonceBytes + tagBytes));
      const opened = [decipher.update(bytes.subarray(nonceBytes + tagBytes)), decipher.final()];
      return JSON.parse(inflateRawSync(Buffer.concat(opened)).toString());
    } catch (cause) {
      throw fault("E_DECRYPT", `A workflow's "${place}" can't be opened.`, { cause });
    }
  }
}
