import type { DescribeAnswer } from "../control/release/describe.ts";
import { toRowhouseError } from "../core/error.ts";
import { linkPackage, loadApplication } from "../instance/release.ts";

/** Tells the process that started it what the application in the given folder says of itself. */
async function describe(folder: string): Promise<DescribeAnswer> {
  try {
    await linkPackage(folder);
    const { name, migrations, assets } = await loadApplication(folder);
    return { application: { name, migrations, assets } };
  } catch (error) {
    return { error: toRowhouseError(error).toJSON() };
  }
}

const answer = await describe(process.argv[2] ?? ".");
// Whatever the application opened while it loaded must not keep this process.
process.send?.(answer, () => process.exit());
