import { chmod, mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import { fault } from "../core/error.ts";
import type { Random } from "../ports/clock.ts";
import { withFileLock } from "./file-lock.ts";
import { writeFileAtomically } from "./state-folder.ts";

const masterKeyBytes = 32;

/** Master keys by version; the newest encrypts. */
export interface MasterKeys {
  readonly newest: number;
  readonly byVersion: ReadonlyMap<number, Uint8Array>;
  /** Tells this state of the file from a later one: every write makes a new file. */
  readonly fileIdentity: string;
}

const fileSchema = z.strictObject({
  format: z.literal(1),
  keys: z
    .array(z.strictObject({ version: z.number().int().positive(), key: z.base64().length(44) }))
    .min(1)
    .refine((keys) => new Set(keys.map((key) => key.version)).size === keys.length),
});

/**
 * Reads the key file, or makes it with a first key when there is none. Of several processes that find none, one
 * makes it and the others read that.
 * @throws E_KEY_FILE when it is damaged or open to group or others
 */
export async function openKeyFile(path: string, random: Random): Promise<MasterKeys> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  return (
    (await readKeyFile(path)) ??
    withKeyFileLock(path, async () => {
      const known = await readKeyFile(path);
      return known ?? writeKeyFile(path, new Map([[1, random.bytes(masterKeyBytes)]]));
    })
  );
}

/** Adds a version to the file and keeps all earlier ones, whoever else rotates at the same time. @throws E_KEY_FILE */
export async function addKeyVersion(path: string, random: Random): Promise<MasterKeys> {
  return withKeyFileLock(path, async () => {
    const { newest, byVersion } = (await readKeyFile(path)) ?? missing(path);
    return writeKeyFile(path, new Map([...byVersion, [newest + 1, random.bytes(masterKeyBytes)]]));
  });
}

/** The file's keys; `known` itself when the file has not changed since. @throws E_KEY_FILE, also when it is gone */
export async function rereadKeyFile(path: string, known: MasterKeys): Promise<MasterKeys> {
  const found = await stat(path).catch((error: unknown) =>
    isMissing(error) ? missing(path) : Promise.reject(error),
  );
  if (identityOf(found) === known.fileIdentity) return known;
  return (await readKeyFile(path)) ?? missing(path);
}

async function readKeyFile(path: string): Promise<MasterKeys | undefined> {
  const file = await open(path, "r").catch((error: unknown) =>
    isMissing(error) ? undefined : Promise.reject(error),
  );
  if (!file) return undefined;
  try {
    // Of the open file, not of the path: what was checked is what is read.
    const found = await file.stat();
    refuseOpenMode(path, found.mode);
    return { ...parseKeys(path, await file.readFile("utf8")), fileIdentity: identityOf(found) };
  } finally {
    await file.close();
  }
}

function parseKeys(path: string, text: string): Omit<MasterKeys, "fileIdentity"> {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's message would quote the file, which is secret.
  }
  const parsed = fileSchema.safeParse(content);
  if (!parsed.success) throw fault("E_KEY_FILE", `The key file ${path} is damaged.`);
  const byVersion = new Map(
    parsed.data.keys.map(({ version, key }) => [version, Buffer.from(key, "base64")]),
  );
  return { byVersion, newest: Math.max(...byVersion.keys()) };
}

function refuseOpenMode(path: string, mode: number): void {
  if ((mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8).padStart(4, "0");
  throw fault("E_KEY_FILE", `The key file ${path} has mode ${octal}: others than its owner may open it.`, {
    remedy: `Run \`chmod 600 ${path}\`; if others may have read it, rotate the keys and change the secrets too.`,
  });
}

async function writeKeyFile(path: string, byVersion: ReadonlyMap<number, Uint8Array>): Promise<MasterKeys> {
  const keys = [...byVersion].map(([version, key]) => ({
    version,
    key: Buffer.from(key).toString("base64"),
  }));
  await writeFileAtomically(path, `${JSON.stringify({ format: 1, keys }, null, 2)}\n`, 0o600);
  return { byVersion, newest: Math.max(...byVersion.keys()), fileIdentity: identityOf(await stat(path)) };
}

function withKeyFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  return withFileLock(lock, async () => {
    await chmod(lock, 0o600);
    await removeLeftovers(path);
    return work();
  });
}

/** A crash in the middle of a write leaves a temporary file with keys in it. Only whoever holds the lock makes them. */
async function removeLeftovers(path: string): Promise<void> {
  const names = await readdir(dirname(path));
  const leftovers = names.filter((name) => name.startsWith(`${basename(path)}.`) && name.endsWith(".tmp"));
  await Promise.all(leftovers.map((name) => rm(join(dirname(path), name), { force: true })));
}

function identityOf(found: { ino: number; mtimeMs: number; size: number }): string {
  return `${found.ino}:${found.mtimeMs}:${found.size}`;
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function missing(path: string): never {
  throw fault("E_KEY_FILE", `The key file ${path} is gone.`);
}
