import type { AwsAccess } from "../aws/client.ts";
import { fault } from "../core/error.ts";

/** The operator's own access to a region, as the AWS SDK finds it: environment, profile or single sign-on. */
export function awsAccess(region: string): AwsAccess {
  const endpoint = process.env.AWS_ENDPOINT_URL;
  return { region, ...(endpoint ? { endpoint } : {}) };
}

/**
 * Loads a part that stands on the AWS SDK, whose packages come only where they are wanted.
 * @throws E_AWS_SDK_MISSING with the command that installs what is missing
 */
export async function importAws<Module>(load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const missing =
      code === "ERR_MODULE_NOT_FOUND" ? /Cannot find package '([^']+)'/.exec(message)?.[1] : undefined;
    if (missing === undefined) throw error;
    throw fault("E_AWS_SDK_MISSING", `The package ${missing} is not installed.`, {
      cause: error,
      remedy: `Install it with \`npm install ${missing}\`.`,
    });
  }
}
