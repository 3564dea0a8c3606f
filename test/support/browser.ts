import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { access, mkdir, readFile, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createBrotliDecompress } from "node:zlib";
import { type Browser, chromium } from "playwright-core";

const root = join(import.meta.dirname, "../..");

/**
 * A real Chromium without a window. On Linux it is the one from the package `@sparticuz/chromium`, which needs
 * nothing installed; elsewhere the machine's own Chrome. Close it when the tests are done.
 */
export async function launchBrowser(): Promise<Browser> {
  const args = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--font-render-hinting=none",
  ];
  return process.platform === "linux"
    ? chromium.launch({ executablePath: await unpackChromium(), args })
    : chromium.launch({ channel: "chrome", args });
}

/** The package's own unpacking is not safe to run twice at once, and test files run side by side. */
async function unpackChromium(): Promise<string> {
  const packageFolder = join(root, "node_modules/@sparticuz/chromium");
  const { version } = JSON.parse(await readFile(join(packageFolder, "package.json"), "utf8")) as {
    version: string;
  };
  const file = join(root, ".cache", `chromium-${version}`, "chromium");
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return file;
  await mkdir(dirname(file), { recursive: true });
  const temporary = `${file}.${randomUUID()}.tmp`;
  await pipeline(
    createReadStream(join(packageFolder, "bin/chromium.br")),
    createBrotliDecompress(),
    createWriteStream(temporary, { mode: 0o755 }),
  );
  await rename(temporary, file);
  return file;
}
