import type { Keys } from "../ports/keys.ts";
import { withFileLock } from "./file-lock.ts";
import { readJson, writeFileAtomically } from "./state-folder.ts";

const context = { purpose: "object-links" };

/** The region's secret for signed links, made by whoever comes first and kept sealed. @throws E_DECRYPT */
export async function ensureSigningKey(keys: Keys, file: string): Promise<Uint8Array> {
  const sealed = (await readJson<{ readonly ciphertext: string }>(file)) ?? (await makeKey(keys, file));
  return keys.decryptDataKey(sealed.ciphertext, context);
}

function makeKey(keys: Keys, file: string): Promise<{ readonly ciphertext: string }> {
  return withFileLock(`${file}.lock`, async () => {
    const made = await readJson<{ readonly ciphertext: string }>(file);
    if (made) return made;
    const { ciphertext } = await keys.generateDataKey(context);
    await writeFileAtomically(file, JSON.stringify({ ciphertext }));
    return { ciphertext };
  });
}
