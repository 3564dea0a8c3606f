import type { Readable } from "node:stream";
import { fault } from "../../core/error.ts";
import { filesPrefix } from "../../core/tenant/file-key.ts";
import type { Isolation, TenantProfile } from "../../core/tenant/tenant.ts";
import type { DatabaseEndpoint } from "../../ports/databases.ts";
import { admitMover, dismissMover } from "../../postgres/logical/target.ts";
import { type AuditRecord, AuditTrail } from "../audit.ts";
import { chooseServer } from "../backup/placing.ts";
import { copyEntries } from "../directory.ts";
import { planOf, type RegionContext } from "../region-context.ts";
import { registerAddress, unregisterAddress } from "../signup/address.ts";
import type { StoredLocation } from "../tenant-data/locations.ts";

/** Which tenant comes by which move. */
export interface ArrivalName {
  readonly slug: string;
  /** The move's id. */
  readonly operation: string;
}

export interface ArrivalWish extends ArrivalName {
  readonly plan: string;
  readonly schemaVersion: number;
  readonly audit: AuditRecord;
}

/** Where a tenant is to live, and how rows are written there. Never written down: it has a password. */
export interface Arrival {
  readonly id: string;
  readonly isolation: Isolation;
  readonly server: string;
  readonly database: string;
  readonly schema: string;
  readonly owner: string;
  readonly password: string;
  readonly endpoint: DatabaseEndpoint;
}

/** Who comes with the data. */
export interface ArrivingPeople {
  readonly profile: TenantProfile;
  /** Invited when, as ISO 8601. */
  readonly administrators: readonly { readonly email: string; readonly invitedAt: string }[];
}

/** What the region that a tenant comes to does for the one that it leaves. All of it may be repeated. */
export interface ArrivalControl {
  /** Makes roles, schema and tables. @throws E_TENANT_BUSY, E_QUOTA, E_DISK_FULL, E_MOVE_FAILED without that version */
  prepareArrival(wish: ArrivalWish): Promise<Arrival>;
  /** Writes one of the tenant's files; `key` is the object's. */
  receiveFile(file: {
    readonly slug: string;
    readonly key: string;
    readonly contentType: string;
    readonly body: Readable;
  }): Promise<void>;
  removeArrivedFiles(files: { readonly slug: string; readonly keys: readonly string[] }): Promise<void>;
  /** Makes the new location the current one, and takes in who the tenant is. Nobody is served from it yet. */
  completeArrival(arrival: ArrivalName & { readonly people?: ArrivingPeople }): Promise<void>;
  /** Takes {@link completeArrival} back. */
  revertArrival(arrival: ArrivalName): Promise<void>;
  /** Follows the directory at once, so that the tenant is served here. */
  welcomeArrival(arrival: Pick<ArrivalName, "slug">): Promise<void>;
  /** Brings the address here and lets go of the tenant. */
  endArrival(arrival: ArrivalName): Promise<void>;
  /** Removes what came, unless the tenant lives here by now. */
  abandonArrival(arrival: ArrivalName): Promise<void>;
}

/** The arrivals of a region. */
export function arrivalControl(context: RegionContext): ArrivalControl {
  const { directory, locations, operations, pool, platform, tenantData, administration } = context;
  const comesFromElsewhere = (operation: string) => !operation.startsWith(`${context.name}.`);
  const asAdministrator = async (location: StoredLocation, work: typeof admitMover) => {
    const server = await administration.pool(location.server, location.database);
    await server.use((client) => work(client, location.ownerRole, location.id));
  };
  const revert = async ({ slug, operation }: ArrivalName): Promise<void> => {
    const arrived = await findArrived(context, { slug, operation });
    if (arrived) await locations.switchBack(slug, arrived, operation);
  };
  return {
    async prepareArrival(wish) {
      await operations.claim(wish.slug, "move", wish.operation);
      const trail = new AuditTrail({ region: context.name, pool, clock: platform.clock });
      await trail.write(wish.audit);
      const location =
        (await findArrived(context, wish)) ??
        (await makeLocation(context, wish, comesFromElsewhere(wish.operation)));
      await asAdministrator(location, admitMover);
      return describeArrival(context, location);
    },
    async receiveFile({ slug, key, contentType, body }) {
      if (!key.startsWith(filesPrefix(slug))) throw fault("E_OBJECT_KEY", `${key} is no file of "${slug}".`);
      await platform.objects.put({ key, contentType, body });
    },
    async removeArrivedFiles({ slug, keys }) {
      for (const key of keys) if (key.startsWith(filesPrefix(slug))) await platform.objects.delete(key);
    },
    async completeArrival({ slug, operation, people }) {
      if (people) await takeIn(context, people);
      const arriving = await locations.findArriving(slug);
      if (arriving) await locations.switchTo(slug, arriving, operation);
      else if (!(await findArrived(context, { slug, operation })))
        throw fault("E_MOVE_FAILED", `The new place of the tenant "${slug}" is gone.`);
    },
    revertArrival: revert,
    async welcomeArrival({ slug }) {
      const entry = await directory.find(slug);
      if (entry) await copyEntries(pool, [entry]);
    },
    async endArrival({ slug, operation }) {
      const location = await locations.find(slug);
      if (location) await asAdministrator(location, dismissMover);
      if ((await registerAddress(context, slug)) === "wildcard") await unregisterAddress(context, slug);
      if (comesFromElsewhere(operation)) await operations.release(slug, operation);
    },
    async abandonArrival({ slug, operation }) {
      if ((await operations.find(slug))?.id !== operation) return;
      const isHome = comesFromElsewhere(operation) && (await directory.find(slug))?.region === context.name;
      // Nobody was served from it: what the directory does not name goes, however far it came.
      if (!isHome) await revert({ slug, operation });
      const arriving = await locations.findArriving(slug);
      if (arriving) {
        // In a database that stays, this would stay too.
        await asAdministrator(arriving, dismissMover).catch(() => {});
        await tenantData.drop(arriving);
      }
      if (!comesFromElsewhere(operation)) return;
      if (!isHome) await forget(context, slug);
      await operations.release(slug, operation);
    },
  };
}

/** The location that this move made current: it retired another one, or came to a region where there was none. */
async function findArrived(
  context: RegionContext,
  { slug, operation }: ArrivalName,
): Promise<StoredLocation | undefined> {
  const isFromHere = operation.startsWith(`${context.name}.`);
  if (isFromHere && !(await context.locations.findRetiredBy(operation))) return undefined;
  return context.locations.find(slug);
}

async function makeLocation(
  context: RegionContext,
  wish: ArrivalWish,
  isNewHere: boolean,
): Promise<StoredLocation> {
  const { config, locations, tenantData, platform, pool } = context;
  const { migrations, migrationsFingerprint } = context.release();
  const wanted = migrations.filter(({ number }) => number <= wish.schemaVersion);
  if ((wanted.at(-1)?.number ?? 0) !== wish.schemaVersion) {
    throw fault(
      "E_MOVE_FAILED",
      `The release of ${context.name} has no migration ${wish.schemaVersion}, which the tenant has.`,
    );
  }
  // What an earlier stay left behind must not be taken for what comes now.
  const begun = await locations.findArriving(wish.slug);
  if (isNewHere && !begun) {
    await pool.query("DELETE FROM departures WHERE slug = $1", [wish.slug]);
    await platform.objects.purge(filesPrefix(wish.slug));
  }
  const plan = planOf(config, wish.plan);
  // A repeat has its place already: it must not find the server full of itself.
  const server = begun ? begun.server : await chooseServer(context, plan.isolation);
  const location = await locations.prepare(
    {
      slug: wish.slug,
      isolation: plan.isolation,
      server,
      migrations: migrationsFingerprint,
    },
    wish.operation,
  );
  await tenantData.create(location, plan.connections ?? "own");
  await tenantData.migrate(location, wanted);
  return location;
}

async function describeArrival(context: RegionContext, location: StoredLocation): Promise<Arrival> {
  const [endpoint, password] = await Promise.all([
    context.platform.databases.endpoint(location.server),
    context.locations.openPassword(location.ownerRole, location.ownerPassword),
  ]);
  const { id, isolation, server, database, schema, ownerRole } = location;
  return { id, isolation, server, database, schema, owner: ownerRole, password, endpoint };
}

async function takeIn({ pool }: RegionContext, { profile, administrators }: ArrivingPeople): Promise<void> {
  const { slug, name, administratorEmail, settings } = profile;
  await pool.transaction(async (client) => {
    await client.query(
      `INSERT INTO profiles (slug, name, administrator_email, settings) VALUES ($1, $2, $3, $4)
       ON CONFLICT (slug) DO UPDATE SET name = excluded.name,
         administrator_email = excluded.administrator_email, settings = excluded.settings`,
      [slug, name, administratorEmail, settings],
    );
    await client.query("DELETE FROM administrators WHERE slug = $1", [slug]);
    for (const { email, invitedAt } of administrators) {
      await client.query("INSERT INTO administrators (slug, email, invited_at) VALUES ($1, $2, $3)", [
        slug,
        email,
        invitedAt,
      ]);
    }
  });
}

async function forget({ pool, platform }: RegionContext, slug: string): Promise<void> {
  await platform.objects.purge(filesPrefix(slug));
  await pool.query(
    "WITH profile AS (DELETE FROM profiles WHERE slug = $1) DELETE FROM administrators WHERE slug = $1",
    [slug],
  );
}
