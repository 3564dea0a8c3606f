import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

/**
 * Iterations of the key derivation. They slow down guessing of passwords that people choose; ours are 256 random
 * bits, which no one guesses, so a low count is as safe and makes each new connection cheaper on both sides.
 */
const iterations = 64;

/**
 * What Postgres stores for a password, so that `CREATE ROLE … PASSWORD` carries no secret that could reach a log.
 * Only for passwords of full entropy, as {@link generatePassword} makes them.
 * Source: RFC 5802, section 3; RFC 7677; PostgreSQL's documentation, "pg_authid", for the text format.
 */
export function scramVerifier(password: string): string {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}

/** 256 random bits as printable text. */
export function generatePassword(): string {
  return randomBytes(32).toString("base64url");
}
