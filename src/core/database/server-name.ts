import { fault } from "../error.ts";

/**
 * As RDS wants its identifiers (https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html):
 * letters, digits and single hyphens, a letter first and no hyphen last.
 */
const pattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Of RDS's 63, what is left beside the name prefix of a deployment. */
const maxLength = 40;

/** True for text that can name a database server in every family. */
export function isServerName(name: string): boolean {
  return name.length <= maxLength && pattern.test(name);
}

/** Returns the name. @throws E_ARGUMENT for one that no server can have */
export function checkServerName(name: string): string {
  if (isServerName(name)) return name;
  throw fault("E_ARGUMENT", `"${name}" is no name for a database server.`, {
    remedy: `Use up to ${maxLength} lower-case letters, digits and single hyphens, a letter first and no hyphen last.`,
  });
}
