import { createCipheriv, createDecipheriv } from "node:crypto";
import {
  DecryptCommand,
  GenerateDataKeyCommand,
  type KMSClient,
  paginateListKeyRotations,
  RotateKeyOnDemandCommand,
} from "@aws-sdk/client-kms";
import { fault, RowhouseError } from "../core/error.ts";
import { errorCatalog } from "../core/error-catalog.ts";
import type { Clock } from "../ports/clock.ts";
import type { EncryptionContext, Keys } from "../ports/keys.ts";
import { isAwsError } from "./fault.ts";

const tagBytes = 16;
const rotationPollMilliseconds = 2_000;
const rotationDeadlineMilliseconds = 900_000;

/** What a data key was made for: one kind is never taken for the other. */
type Kind = "text" | "data-key";

/** Pair of the encryption context that says the kind; a key policy may ask for it. */
const kindName = "rowhouse:kind";

/**
 * A data key seals one message and no other, so that the nonce need not differ (NIST SP 800-38D, 8: uniqueness is
 * asked for under one key).
 */
const nonce = new Uint8Array(12);

/** The key can't be used as it is; `KeyUnavailableException` is not among them, because it passes by itself. */
const lostKey = ["DisabledException", "KMSInvalidStateException", "NotFoundException"];

/**
 * A region's secrets under its KMS key. A text is sealed (AES-256-GCM) with a data key of its own, which KMS made and
 * alone can open, and only in the same context: `kt1.<sealed text and tag>.<encrypted data key>`, both base64url. A data
 * key is `kd1.<encrypted data key>`. The encrypted data key names the KMS key and the version of its material itself,
 * so that rotation needs no change of what is stored, and a replica of a multi-Region key opens it too.
 *
 * `encrypt`, `decrypt` and their like for data keys are one call of KMS each ($0.03 for 10,000), whatever the length; direct
 * encryption would save nothing and ends at 4,096 bytes. Opened data keys are not kept: each opens one secret, which
 * its reader holds anyway, and a copy here would outlive the key's being disabled.
 *
 * The context is no secret: CloudTrail shows it in clear
 * (https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html).
 * Needs `kms:GenerateDataKey`, `kms:Decrypt`; `rotate` needs `kms:RotateKeyOnDemand`, `kms:ListKeyRotations`.
 */
export function createKeys(options: {
  readonly client: KMSClient;
  /** ARN of a symmetric key of the client's region. */
  readonly keyArn: string;
  readonly clock: Clock;
}): Keys {
  return new KmsKeys(options);
}

class KmsKeys implements Keys {
  readonly #client: KMSClient;
  readonly #keyArn: string;
  readonly #clock: Clock;

  constructor(options: { readonly client: KMSClient; readonly keyArn: string; readonly clock: Clock }) {
    this.#client = options.client;
    this.#keyArn = options.keyArn;
    this.#clock = options.clock;
  }

  async encrypt(plaintext: string, context: EncryptionContext): Promise<string> {
    const key = await this.#generate("text", context);
    const cipher = createCipheriv("aes-256-gcm", key.plaintext, nonce);
    const sealed = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final(), cipher.getAuthTag()]);
    key.plaintext.fill(0);
    return `kt1.${sealed.toString("base64url")}.${base64url(key.encrypted)}`;
  }

  async decrypt(ciphertext: string, context: EncryptionContext): Promise<string> {
    const [, sealedText = "", keyText = ""] = /^kt1\.([\w-]+)\.([\w-]+)$/.exec(ciphertext) ?? [];
    const sealed = parseBase64url(sealedText);
    const key = await this.#open("text", parseBase64url(keyText), context);
    try {
      const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes });
      decipher.setAuthTag(sealed.subarray(-tagBytes));
      const opened = [decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()];
      return Buffer.concat(opened).toString("utf8");
    } catch (cause) {
      throw undecryptable("The text was changed after it was sealed.", cause);
    } finally {
      key.fill(0);
    }
  }

  async generateDataKey(context: EncryptionContext): Promise<{ plaintext: Uint8Array; ciphertext: string }> {
    const { plaintext, encrypted } = await this.#generate("data-key", context);
    return { plaintext, ciphertext: `kd1.${base64url(encrypted)}` };
  }

  async decryptDataKey(ciphertext: string, context: EncryptionContext): Promise<Uint8Array> {
    const [, keyText = ""] = /^kd1\.([\w-]+)$/.exec(ciphertext) ?? [];
    return this.#open("data-key", parseBase64url(keyText), context);
  }

  /**
   * Returns when the new material is in use. KMS does this at most 25 times in a key's life, which no request raises
   * (https://docs.aws.amazon.com/kms/latest/developerguide/resource-limits.html); automatic rotation does not count.
   * @throws E_AWS_QUOTA after that, E_CONFLICT when an automatic rotation is at work or due within 20 minutes,
   * E_KEY_UNAVAILABLE, E_AWS_UNAVAILABLE when it takes longer than 15 minutes
   */
  async rotate(): Promise<void> {
    const before = await this.#countRotations();
    try {
      await this.#client.send(new RotateKeyOnDemandCommand({ KeyId: this.#keyArn }));
    } catch (error) {
      throw rotationFault(error);
    }
    // KMS rotates in the background; and what it lists may be behind for a moment, but is never ahead.
    const deadline = this.#clock.elapsedMilliseconds() + rotationDeadlineMilliseconds;
    while ((await this.#countRotations()) <= before) {
      if (this.#clock.elapsedMilliseconds() >= deadline)
        throw fault("E_AWS_UNAVAILABLE", "KMS has begun to rotate the key, and has not ended in 15 minutes.");
      await this.#clock.sleep(rotationPollMilliseconds);
    }
  }

  async #countRotations(): Promise<number> {
    let count = 0;
    try {
      for await (const page of paginateListKeyRotations({ client: this.#client }, { KeyId: this.#keyArn }))
        count += page.Rotations?.filter(({ RotationType }) => RotationType === "ON_DEMAND").length ?? 0;
    } catch (error) {
      throw keyFault(error);
    }
    return count;
  }

  async #generate(kind: Kind, context: EncryptionContext) {
    const EncryptionContext = withKind(kind, context);
    const command = new GenerateDataKeyCommand({
      KeyId: this.#keyArn,
      KeySpec: "AES_256",
      EncryptionContext,
    });
    const { Plaintext, CiphertextBlob } = await this.#client.send(command).catch((error: unknown) => {
      throw keyFault(error);
    });
    if (!Plaintext || !CiphertextBlob) throw fault("E_INTERNAL", "KMS answered without a data key.");
    return { plaintext: Plaintext, encrypted: CiphertextBlob };
  }

  async #open(kind: Kind, encrypted: Uint8Array, context: EncryptionContext): Promise<Uint8Array> {
    // With the KeyId, KMS refuses what some other key encrypted that this role may use as well.
    const command = new DecryptCommand({
      KeyId: this.#keyArn,
      CiphertextBlob: encrypted,
      EncryptionContext: withKind(kind, context),
    });
    const { Plaintext } = await this.#client.send(command).catch((error: unknown) => {
      throw decryptFault(error);
    });
    if (!Plaintext) throw fault("E_INTERNAL", "KMS answered without the data key.");
    return Plaintext;
  }
}

/** @throws E_ARGUMENT for a name that KMS or this adapter keeps for itself */
function withKind(kind: Kind, context: EncryptionContext): Record<string, string> {
  const reserved = Object.keys(context).find((name) => name === kindName || name.startsWith("aws:"));
  if (reserved !== undefined)
    throw fault("E_ARGUMENT", `The encryption context's name "${reserved}" is reserved.`);
  return { ...context, [kindName]: kind };
}

function decryptFault(error: unknown): unknown {
  if (isAwsError(error, "InvalidCiphertextException", "IncorrectKeyException"))
    return undecryptable("KMS can't open the secret with the region's key in this context.", error);
  if (isAwsError(error, ...lostKey)) return fault("E_DECRYPT", ...lost(error));
  return error;
}

function undecryptable(reason: string, cause?: unknown): RowhouseError {
  return fault("E_DECRYPT", reason, { cause, remedy: "Restore the stored secret from its backup." });
}

function keyFault(error: unknown): unknown {
  return isAwsError(error, ...lostKey) ? fault("E_KEY_UNAVAILABLE", ...lost(error)) : error;
}

function lost(cause: Error): [reason: string, options: { cause: Error; remedy: string }] {
  const { remedy } = errorCatalog.E_KEY_UNAVAILABLE;
  return [`The region's KMS key can't be used (${cause.name}: ${cause.message}).`, { cause, remedy }];
}

function rotationFault(error: unknown): unknown {
  if (error instanceof RowhouseError && error.code === "E_AWS_QUOTA")
    return fault("E_AWS_QUOTA", "KMS rotates a key on demand 25 times at most.", {
      cause: error,
      remedy: "Enable the key's automatic rotation, which is not counted; this quota can't be raised.",
    });
  if (isAwsError(error, "ConflictException"))
    return fault("E_CONFLICT", "KMS is about to rotate the key by itself, or does so now.", {
      cause: error,
      remedy: "Leave it to that, or try again in half an hour.",
    });
  return keyFault(error);
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** Several texts decode to the same bytes; only the one that was made counts, so that any change is noticed. */
function parseBase64url(text: string): Buffer {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length === 0 || bytes.toString("base64url") !== text)
    throw undecryptable("The text is not a ciphertext of this region's keys.");
  return bytes;
}
