import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";

/** The parts of a cloud-config that the tests' machines understand; another part is an error. */
const cloudConfigSchema = z.strictObject({
  /** Everything runs as the user of the test. */
  users: z.array(z.unknown()).optional(),
  write_files: z
    .array(z.strictObject({ path: z.string(), permissions: z.string(), content: z.string() }))
    .default([]),
  runcmd: z.array(z.array(z.string())).default([]),
});

/**
 * Does what cloud-init does with the user data at the first boot, with all files below `root`. Gives the paths of the
 * units that the commands enable and start; other commands than systemctl's are an error.
 */
export async function applyCloudConfig(userData: string, root: string): Promise<readonly string[]> {
  if (!userData.startsWith("#cloud-config\n")) throw new Error("The user data is no cloud-config.");
  const cloudConfig = cloudConfigSchema.parse(parse(userData));
  for (const { path, permissions, content } of cloudConfig.write_files) {
    const file = join(root, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await chmod(file, Number.parseInt(permissions, 8));
  }
  return cloudConfig.runcmd.flatMap((command) => {
    const [program, verb, ...rest] = command.filter((word) => word !== "--no-block");
    if (program === "systemctl" && verb === "daemon-reload") return [];
    if (program === "systemctl" && verb === "enable" && rest[0] === "--now" && rest[1] !== undefined) {
      return [join(root, "etc/systemd/system", rest[1])];
    }
    throw new Error(`The tests' machines can't do "${command.join(" ")}".`);
  });
}
