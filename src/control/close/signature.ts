import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
} from "node:crypto";
import { type Certificate, type CertificateBody, canonicalJson } from "../../core/closing/certificate.ts";
import type { Keys } from "../../ports/keys.ts";
import type { Queryable } from "../../postgres/pool.ts";

const keyContext = { purpose: "certificate-key" };

interface Parts {
  /** The region's control database. */
  readonly pool: Queryable;
  readonly keys: Keys;
}

/** Signs with the region's own key, which is made at the first time. @throws E_DECRYPT */
export async function signCertificate(parts: Parts, body: CertificateBody): Promise<Certificate> {
  const { publicKey, privateKey } = await ensureKey(parts);
  const text = canonicalJson(body);
  return {
    ...body,
    sha256: createHash("sha256").update(text).digest("hex"),
    signature: {
      algorithm: "Ed25519",
      publicKey,
      value: sign(null, Buffer.from(text), createPrivateKey(privateKey)).toString("base64"),
    },
  };
}

/** Whether the certificate is as the holder of the key that it names signed it. */
export function isGenuine({ sha256, signature, ...body }: Certificate): boolean {
  const text = canonicalJson(body);
  if (createHash("sha256").update(text).digest("hex") !== sha256) return false;
  const value = Buffer.from(signature.value, "base64");
  return verify(null, Buffer.from(text), createPublicKey(signature.publicKey), value);
}

async function ensureKey({ pool, keys }: Parts) {
  const find = async () => {
    const { rows } = await pool.query<{ public_key: string; private_key: string }>(
      "SELECT public_key, private_key FROM certificate_key",
    );
    return rows[0];
  };
  let found = await find();
  if (!found) {
    const pair = generateKeyPairSync("ed25519", {
      publicKeyEncoding: { type: "spki", format: "pem" },
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
    });
    await pool.query(
      "INSERT INTO certificate_key (public_key, private_key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
      [pair.publicKey, await keys.encrypt(pair.privateKey, keyContext)],
    );
    // Of two that make one at the same time, the first one's counts.
    found = await find();
  }
  if (!found) throw new Error("the certificate key was not written");
  return {
    publicKey: found.public_key,
    privateKey: await keys.decrypt(found.private_key, keyContext),
  };
}
