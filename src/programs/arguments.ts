import { parseArgs } from "node:util";
import { fault } from "../core/error.ts";

/** Reads the named options of a program that Rowhouse itself starts; each must be there. */
export function readArguments<const Name extends string>(...names: readonly Name[]): Record<Name, string> {
  const options = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const { values } = parseArgs({ options, strict: true });
  for (const name of names) {
    if (typeof values[name] !== "string") throw fault("E_ARGUMENT", `The option --${name} is missing.`);
  }
  return values as Record<Name, string>;
}
