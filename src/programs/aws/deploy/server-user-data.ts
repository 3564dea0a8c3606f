import type { ServerSoftware } from "../../../aws/bundle.ts";
import { type UserDataOptions, userData } from "../../../aws/user-data.ts";
import type { Config } from "../../../core/config/schema.ts";

/** The user data of a server of this config: with Chef where the fleet names a run list. */
export function serverUserData(
  { fleets }: Pick<Config, "fleets">,
  server: Omit<UserDataOptions, "software" | "chef">,
  software: ServerSoftware,
): string {
  const { program } = server;
  const chef = program === "app" || program === "worker" ? fleets[program].chef : undefined;
  return userData({ ...server, software, chef });
}
