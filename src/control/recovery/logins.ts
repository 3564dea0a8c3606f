import { toRowhouseError } from "../../core/error.ts";
import { connect } from "../../postgres/connect.ts";
import { quoteLiteral as literal, quoteIdentifier as name } from "../../postgres/identifier.ts";
import { scramVerifier } from "../../postgres/scram.ts";
import type { RegionContext } from "../region-context.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";
import type { FailedTenant } from "./outcome.ts";

/** Statements that go to the server as one text. */
const batch = 200;
const concurrency = 8;

/** Gives the roles of all these locations the passwords that are written down, and lets them log in. Safe to repeat. */
export async function renewLogins(
  context: RegionContext,
  locations: readonly StoredLocation[],
): Promise<void> {
  const servers = Map.groupBy(locations, ({ server }) => server);
  await Promise.all(
    [...servers].map(async ([server, own]) => {
      const pool = await context.administration.pool(server, "postgres");
      const statements = await Promise.all(
        own.flatMap((location) => [
          renewal(context, location.ownerRole, location.ownerPassword),
          renewal(context, location.appRole, location.appPassword),
        ]),
      );
      for (let at = 0; at < statements.length; at += batch)
        await pool.query(statements.slice(at, at + batch).join(""));
    }),
  );
}

/** Logs in as every tenant and asks for nothing; returns those that can't. */
export async function tryLogins(
  context: RegionContext,
  locations: readonly StoredLocation[],
): Promise<readonly FailedTenant[]> {
  const queue = locations.values();
  const failed: FailedTenant[] = [];
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (const location of queue) {
        await tryLogin(context, location).catch((error: unknown) => {
          failed.push({ slug: location.slug ?? "", error: toRowhouseError(error).message });
        });
      }
    }),
  );
  return failed;
}

async function renewal({ locations }: RegionContext, role: string, ciphertext: string): Promise<string> {
  const password = await locations.openPassword(role, ciphertext);
  return `ALTER ROLE ${name(role)} LOGIN PASSWORD ${literal(scramVerifier(password))};`;
}

async function tryLogin({ platform, locations }: RegionContext, location: StoredLocation): Promise<void> {
  const client = await connect({
    endpoint: await platform.databases.endpoint(location.server),
    database: location.database,
    credentials: {
      user: location.appRole,
      password: await locations.openPassword(location.appRole, location.appPassword),
    },
    applicationName: "rowhouse-recovery",
  });
  await client.query("SELECT 1").finally(() => client.end());
}
