import {
  CreateDBInstanceCommand,
  type DBInstance,
  DeleteDBInstanceCommand,
  ModifyDBInstanceCommand,
  paginateDescribeDBInstances,
  RebootDBInstanceCommand,
  StartDBInstanceCommand,
} from "@aws-sdk/client-rds";
import { checkServerName, isServerName } from "../core/database/server-name.ts";
import { fault } from "../core/error.ts";
import type { Clock } from "../ports/clock.ts";
import type { DatabaseServerStatus, Databases } from "../ports/databases.ts";
import { isAwsError } from "./fault.ts";
import {
  type AdministerParts,
  notFound,
  notFoundNames,
  type OpenParts,
  RdsAddresses,
  RdsLogins,
} from "./rds/addresses.ts";
import { deleteAdministrator, ensureAdministrator } from "./rds/administrator.ts";
import { backupDays, instanceIdentifier, instanceParameters, isOwn, serverOf } from "./rds/instance.ts";
import { describeInstance, isBroken, statusMeaning } from "./rds/status.ts";
import { type Progress, untilDone } from "./rds/until.ts";
import type { RegionResources } from "./resources.ts";

type CreateServer = Parameters<Databases["create"]>[0];

interface CreateParts extends AdministerParts {
  readonly resources: Pick<RegionResources, "prefix" | "region" | "keyArn" | "databases">;
  readonly clock: Clock;
  readonly log?: (message: string) => void;
}

/** For whoever only connects. Needs `rds:DescribeDBInstances`. */
export function openDatabases(parts: OpenParts): Pick<Databases, "endpoint"> {
  return new RdsAddresses(parts);
}

/** For whoever makes databases and roles on servers that others make. Needs `secretsmanager:GetSecretValue` too. */
export function administerDatabases(parts: AdministerParts): Pick<Databases, "endpoint" | "administrator"> {
  return new RdsLogins(parts);
}

/**
 * Each server an RDS instance for PostgreSQL with Multi-AZ: the standby takes every write together with the primary, and
 * RDS promotes it in 60 to 120 seconds, under the same host name. To make one takes 5 to 15 minutes. Deleting one takes
 * its automated backups with it, and leaves alone the snapshots that somebody took by hand.
 */
export function createDatabases(parts: CreateParts): Databases {
  return new RdsDatabases(parts);
}

const existsNames = ["DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"];
const stateNames = ["InvalidDBInstanceState", "InvalidDBInstanceStateFault"];

class RdsDatabases extends RdsLogins implements Databases {
  readonly keepsDeletedDays = backupDays;
  readonly #parts: CreateParts;

  constructor(parts: CreateParts) {
    super(parts);
    this.#parts = parts;
  }

  async create(server: CreateServer): Promise<void> {
    const name = checkServerName(server.name);
    await this.#until(name, "is not available yet", async () => {
      const instance = (await this.find(name)) ?? (await this.#make(name, server.size ?? "shared"));
      if (instance === undefined) return { is: "unknown" };
      if (isBroken(instance.DBInstanceStatus)) throw brokenFault(instance);
      if (instance.DBInstanceStatus === "stopped") await this.#start(instance);
      return isReady(instance) ? "done" : { is: instance.DBInstanceStatus };
    });
  }

  async describe(name: string): Promise<DatabaseServerStatus | undefined> {
    const instance = await this.find(name);
    return instance && describeInstance(name, instance);
  }

  async list(): Promise<readonly DatabaseServerStatus[]> {
    const found: DatabaseServerStatus[] = [];
    for await (const page of paginateDescribeDBInstances({ client: this.rds }, {})) {
      const own = page.DBInstances?.filter((instance) => isOwn(instance, this.prefix)) ?? [];
      found.push(...own.map((instance) => describeInstance(serverOf(instance, this.prefix), instance)));
    }
    return found.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  }

  /**
   * RDS makes the standby the primary while it restarts the instance, and says so at once. That the zones changed their
   * roles it says minutes later, so nothing waits for that.
   */
  async failOver(name: string): Promise<void> {
    const instance = await this.find(name);
    const { server } = statusMeaning(instance?.DBInstanceStatus);
    if (!instance || server === "deleting") throw notFound(name);
    if (!instance.MultiAZ) throw fault("E_STANDBY_BEHIND", `The database server ${name} has no standby.`);
    if (server !== "available") throw notNowFault(instance);
    const { DBInstanceIdentifier } = instance;
    await this.rds
      .send(new RebootDBInstanceCommand({ DBInstanceIdentifier, ForceFailover: true }))
      .catch((error: unknown) => {
        ignoreState(error);
        throw notNowFault(instance);
      });
    await this.#until(name, "is not available again", async () => {
      const found = await this.find(name);
      if (isBroken(found?.DBInstanceStatus)) throw brokenFault(found ?? instance);
      return found && isReady(found) ? "done" : { is: found?.DBInstanceStatus };
    });
  }

  async delete(name: string): Promise<void> {
    if (!isServerName(name)) return;
    this.endpoints.delete(name);
    await this.#until(name, "is not gone yet", async () => {
      const instance = await this.find(name);
      if (!instance) return "done";
      if (statusMeaning(instance.DBInstanceStatus).server !== "deleting") await this.#remove(instance);
      // An emulator has done it by now; RDS takes minutes.
      return (await this.find(name)) ? { is: instance.DBInstanceStatus } : "done";
    });
    // Last, so that whoever finds a server finds its login too.
    const secret = { client: this.secrets, prefix: this.prefix, server: name };
    await deleteAdministrator(secret, this.#parts.clock);
    this.endpoints.delete(name);
  }

  /** Asks RDS for the instance; `undefined` when it says that there is one which it does not show yet. */
  async #make(server: string, size: "shared" | "dedicated"): Promise<DBInstance | undefined> {
    const { clock, resources } = this.#parts;
    // Before anything is made, so that a name that is too long leaves nothing behind.
    instanceIdentifier(resources.prefix, server);
    const secret = { client: this.secrets, prefix: this.prefix, server, keyArn: resources.keyArn };
    const administrator = await ensureAdministrator(secret, clock);
    const parameters = instanceParameters({ server, size, administrator, resources });
    try {
      return (await this.rds.send(new CreateDBInstanceCommand(parameters))).DBInstance;
    } catch (error) {
      if (!isAwsError(error, ...existsNames)) throw error;
      const found = await this.findAnyones(server);
      if (found && !isOwn(found, this.prefix)) throw foreignFault(found);
      return found;
    }
  }

  async #start({ DBInstanceIdentifier }: DBInstance): Promise<void> {
    await this.rds.send(new StartDBInstanceCommand({ DBInstanceIdentifier })).catch(ignoreState);
  }

  /** Deletes it without a last snapshot; what RDS refuses for now is tried again at the next look. */
  async #remove(instance: DBInstance): Promise<void> {
    const { DBInstanceIdentifier, DeletionProtection } = instance;
    try {
      if (DeletionProtection) {
        await this.rds.send(
          new ModifyDBInstanceCommand({
            DBInstanceIdentifier,
            DeletionProtection: false,
            ApplyImmediately: true,
          }),
        );
      }
      await this.rds.send(
        new DeleteDBInstanceCommand({
          DBInstanceIdentifier,
          SkipFinalSnapshot: true,
          DeleteAutomatedBackups: true,
        }),
      );
    } catch (error) {
      if (isAwsError(error, ...notFoundNames)) return;
      const isStillProtected =
        isAwsError(error, "InvalidParameterCombination") && /protect/i.test(error.message);
      if (!isStillProtected) ignoreState(error);
    }
  }

  #until(name: string, what: string, look: () => Promise<Progress>): Promise<void> {
    return untilDone(this.#parts, { name: `database server ${name}`, what }, look);
  }
}

/**
 * A new instance is also backed up, changed and restarted before it is `available`, and in the same words as an old one
 * that serves all the while; the first backup tells them apart.
 */
function isReady({ DBInstanceStatus, Endpoint, LatestRestorableTime }: DBInstance): boolean {
  if (Endpoint?.Address === undefined) return false;
  if (DBInstanceStatus === "available") return true;
  return statusMeaning(DBInstanceStatus).node === "running" && LatestRestorableTime !== undefined;
}

/** The instance is in a state that does not allow it just now. */
function ignoreState(error: unknown): void {
  if (!isAwsError(error, ...stateNames)) throw error;
}

function notNowFault({ DBInstanceIdentifier, DBInstanceStatus }: DBInstance): Error {
  const reason = `RDS does not fail the instance ${DBInstanceIdentifier} over while it is "${DBInstanceStatus}".`;
  return fault("E_STANDBY_BEHIND", reason);
}

function brokenFault({ DBInstanceIdentifier, DBInstanceStatus }: DBInstance): Error {
  const reason = `RDS says "${DBInstanceStatus}" of the instance ${DBInstanceIdentifier}.`;
  if (DBInstanceStatus === "storage-full")
    return fault("E_DISK_FULL", reason, { remedy: "Raise its maximum storage in the RDS console." });
  return fault("E_DATABASE_UNAVAILABLE", reason, {
    remedy:
      "The instance's events in the RDS console say why; put that right, or delete the server and make it anew.",
  });
}

function foreignFault({ DBInstanceIdentifier }: DBInstance): Error {
  return fault("E_CONFLICT", `The RDS instance ${DBInstanceIdentifier} is not this deployment's.`, {
    remedy: "Choose another prefix for the deployment, or delete that instance.",
  });
}
