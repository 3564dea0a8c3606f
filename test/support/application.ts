import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface ApplicationFolder {
  readonly folder: string;
  readonly appFile: string;
  write(file: string, content: string | Uint8Array): Promise<void>;
  remove(): Promise<void>;
}

/** A folder outside the clone with an application in it; `app.ts` is its module. */
export async function createApplicationFolder(
  files: Readonly<Record<string, string>>,
): Promise<ApplicationFolder> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-app-"));
  const write = async (file: string, content: string | Uint8Array) => {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), content);
  };
  for (const [file, content] of Object.entries(files)) await write(file, content);
  return {
    folder,
    appFile: join(folder, "app.ts"),
    write,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
