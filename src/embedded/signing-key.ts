import type { Keys } from "../ports/keys.ts";
import { readJson, writeFileAtomically } from "./state-folder.ts";

const context = { purpose: "object-links" };

/** The region's secret for signed links, made at the first call and kept sealed. @throws E_DECRYPT */
export async function ensureSigningKey(keys: Keys, file: string): Promise<Uint8Array> {
  const sealed = await readJson<{ readonly ciphertext: string }>(file);
  if (sealed) return keys.decryptDataKey(sealed.ciphertext, context);
  const { plaintext, ciphertext } = await keys.generateDataKey(context);
  await writeFileAtomically(file, JSON.stringify({ ciphertext }));
  return plaintext;
}
