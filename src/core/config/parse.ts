import { z } from "zod";
import { fault } from "../error.ts";
import { awsProblems } from "./aws.ts";
import { nearest } from "./nearest.ts";
import { type Config, type ConfigInput, configSchema } from "./schema.ts";

/** As many as the ports of one machine are planned for. */
const maximumRegions = 8;

/** Gives an editor the types of a config; the config is parsed when Rowhouse loads it. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

/**
 * Checks a config, fills in defaults and freezes it. All problems are told at once, each with the path of its key.
 * @throws E_CONFIG
 */
export function parseConfig(input: unknown): Config {
  const parsed = configSchema.safeParse(input);
  const problems = parsed.success ? crossChecks(parsed.data) : parsed.error.issues.flatMap(describeIssue);
  if (!parsed.success || problems.length > 0) {
    throw fault("E_CONFIG", `The configuration is not valid: ${problems.join("; ")}.`);
  }
  return deepFreeze(parsed.data);
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const path = issue.path.map(String).join(".");
  if (issue.code !== "unrecognized_keys") return [`${path || "the config"}: ${lowerFirst(issue.message)}`];
  const known = knownKeys(issue.path);
  return issue.keys.map((key) => {
    const guess = nearest(key, known);
    const hint = guess ? `did you mean "${guess}"?` : `allowed are ${known.join(", ")}`;
    return `${[path, key].filter(Boolean).join(".")}: unknown key, ${hint}`;
  });
}

/** The keys that are allowed at `path`, read from the schema itself. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let schema: unknown = z.toJSONSchema(configSchema, { io: "input" });
  for (const key of path) {
    const node = schema as {
      properties?: Record<string, unknown>;
      additionalProperties?: unknown;
      items?: unknown;
    };
    schema = node.properties?.[String(key)] ?? node.additionalProperties ?? node.items;
  }
  return Object.keys((schema as { properties?: object } | undefined)?.properties ?? {});
}

/** What no single key can tell: names that refer to other keys. */
function crossChecks(config: Config): string[] {
  const problems: string[] = [];
  const names = Object.keys(config.regions);
  if (names.length > maximumRegions)
    problems.push(`regions: at most ${maximumRegions}, there are ${names.length}`);
  for (const [name, region] of Object.entries(config.regions)) {
    if (new Set(region.zones).size !== region.zones.length)
      problems.push(`regions.${name}.zones: a zone is named twice`);
    if (region.recovery === undefined) continue;
    const recovery = config.regions[region.recovery];
    const path = `regions.${name}.recovery`;
    if (region.recovery === name) problems.push(`${path}: a region can't be its own recovery region`);
    else if (!recovery)
      problems.push(`${path}: no region "${region.recovery}", allowed are ${names.join(", ")}`);
    else if (recovery.jurisdiction !== region.jurisdiction) {
      problems.push(
        `${path}: "${region.recovery}" is under ${recovery.jurisdiction} and "${name}" under ${region.jurisdiction}; both must share one jurisdiction`,
      );
    }
  }
  if (!Object.values(config.regions).some((region) => region.start))
    problems.push("regions: at least one must start");
  if (config.target === "aws") problems.push(...awsProblems(config));
  return problems;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
