/** What a ciphertext is bound to: it decrypts only with the same pairs (KMS calls this the encryption context). */
export type EncryptionContext = Readonly<Record<string, string>>;

/** A region's secrets. A ciphertext is printable text that names the key version it needs. */
export interface Keys {
  encrypt(plaintext: string, context: EncryptionContext): Promise<string>;
  /** @throws E_DECRYPT for a wrong context, a changed ciphertext or a lost key */
  decrypt(ciphertext: string, context: EncryptionContext): Promise<string>;
  /** A fresh 256-bit key for bulk data: use `plaintext`, forget it, keep `ciphertext`. */
  generateDataKey(context: EncryptionContext): Promise<{ plaintext: Uint8Array; ciphertext: string }>;
  /** @throws E_DECRYPT */
  decryptDataKey(ciphertext: string, context: EncryptionContext): Promise<Uint8Array>;
  /** New ciphertexts use a new key version from now on; old ones stay readable. */
  rotate(): Promise<void>;
}
