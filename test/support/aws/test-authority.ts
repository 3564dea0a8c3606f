import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** An authority of the tests' own, in place of the one that RDS's servers have their certificates from. */
export interface TestAuthority {
  /** PEM file, for NODE_EXTRA_CA_CERTS. */
  readonly file: string;
  readonly pem: string;
  /** A server's certificate and key, PEM. */
  issue(host: string): Promise<{ readonly certificate: string; readonly key: string }>;
}

const keyArguments = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Keeps its files in `folder`, and makes them with the `openssl` of the machine. */
export async function createTestAuthority(folder: string): Promise<TestAuthority> {
  const file = join(folder, "authority.pem");
  const keyFile = join(folder, "authority.key");
  const subject = ["-subj", "/CN=Rowhouse test authority", "-days", "30"];
  const usage = ["-addext", "keyUsage=critical,keyCertSign"];
  await openssl("req", "-x509", ...keyArguments, "-keyout", keyFile, "-out", file, ...subject, ...usage);
  let count = 0;
  return {
    file,
    pem: await readFile(file, "utf8"),
    issue: async (host) => {
      const base = join(folder, `server-${++count}`);
      await writeFile(`${base}.ext`, `subjectAltName=DNS:${host}\n`);
      await openssl(
        "req",
        "-new",
        ...keyArguments,
        "-keyout",
        `${base}.key`,
        "-out",
        `${base}.csr`,
        "-subj",
        "/CN=server",
      );
      const signer = ["-CA", file, "-CAkey", keyFile, "-days", "30", "-extfile", `${base}.ext`];
      await openssl("x509", "-req", "-in", `${base}.csr`, "-out", `${base}.pem`, ...signer);
      return {
        certificate: await readFile(`${base}.pem`, "utf8"),
        key: await readFile(`${base}.key`, "utf8"),
      };
    },
  };
}

async function openssl(...args: string[]): Promise<void> {
  await run("openssl", args);
}
