import type { Config } from "../../../core/config/schema.ts";
import { fault } from "../../../core/error.ts";

/** The config, if it is for AWS: names of zones and regions were then checked. @throws E_CONFIG */
export function requireAwsTarget(config: Config): Config {
  if (config.target === "aws") return config;
  throw fault("E_CONFIG", `target: it is "${config.target}".`, {
    remedy: 'Write `target: "aws"` in rowhouse.config.ts, or name another config with --config.',
  });
}
