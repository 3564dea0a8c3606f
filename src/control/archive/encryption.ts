import type { Readable } from "node:stream";
import { fault } from "../../core/error.ts";
import type { Keys } from "../../ports/keys.ts";
import type { ArchiveBytes } from "./source.ts";

/** Whose archive it is, and the region's keys that seal its data key. */
export interface EncryptionParts {
  readonly keys: Pick<Keys, "generateDataKey" | "decryptDataKey" | "encrypt" | "decrypt">;
  readonly slug: string;
}

/** The archive's bytes, encrypted while they are read under a data key of their own. Destroy it to end the source too. */
export async function encryptArchive(_plain: Readable, _parts: EncryptionParts): Promise<Readable> {
  throw fault("E_INTERNAL", "Not yet.");
}

/** The bytes inside an encrypted archive, at any place. @throws E_ARCHIVE_FORMAT, E_ARCHIVE_VERSION, E_ARCHIVE_KEY */
export async function decryptArchive(_sealed: ArchiveBytes, _parts: EncryptionParts): Promise<ArchiveBytes> {
  throw fault("E_INTERNAL", "Not yet.");
}

/** The same encrypted archive for whoever has `to`: only its header is new, the body is passed on as it is. */
export async function rewrapArchive(
  _sealed: ArchiveBytes,
  _parts: EncryptionParts & { readonly to: EncryptionParts["keys"] },
): Promise<Readable> {
  throw fault("E_INTERNAL", "Not yet.");
}
