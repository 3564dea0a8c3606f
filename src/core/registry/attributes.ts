import { fault } from "../error.ts";

/**
 * Refuses what no registry can keep as it is: an empty key, and a number that JSON does not know (it would come back
 * as null). @throws E_ARGUMENT
 */
export function checkRegistryWrite(
  domain: string,
  name: string,
  attributes: Readonly<Record<string, string | number | boolean | null>>,
): void {
  if (domain === "" || name === "") throw fault("E_ARGUMENT", "A registry item needs a domain and a name.");
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "") throw fault("E_ARGUMENT", `An attribute of ${domain}/${name} has an empty name.`);
    if (typeof value === "number" && !Number.isFinite(value)) {
      throw fault(
        "E_ARGUMENT",
        `The attribute "${key}" of ${domain}/${name} is ${value}, which can't be stored.`,
      );
    }
  }
}
