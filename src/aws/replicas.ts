import {
  AddTagsToResourceCommand,
  CreateDBInstanceReadReplicaCommand,
  type DBInstance,
  DeleteDBInstanceCommand,
  DescribeDBInstancesCommand,
  ModifyDBInstanceCommand,
  PromoteReadReplicaCommand,
  paginateDescribeDBInstances,
  type RDSClient,
  RemoveTagsFromResourceCommand,
} from "@aws-sdk/client-rds";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { checkServerName, isServerName } from "../core/database/server-name.ts";
import type { Clock } from "../ports/clock.ts";
import type { ReplicaStatus, Replicas } from "../ports/replicas.ts";
import { isAwsError } from "./fault.ts";
import { notFoundNames } from "./rds/addresses.ts";
import { ensureAdministrator } from "./rds/administrator.ts";
import { rdsAuthorities } from "./rds/authorities.ts";
import { backupDays, instanceIdentifier, isOwn, replicaSource } from "./rds/instance.ts";
import {
  follows,
  type ReplicaName,
  type ReplicaResources,
  replicaParameters,
  replicaStatus,
} from "./rds/replica.ts";
import {
  brokenReplica,
  missingReplica,
  promotedReplica,
  takenName,
  unreplicable,
} from "./rds/replica-faults.ts";
import { KnownLags, readReplicaLag } from "./rds/replica-lag.ts";
import { deleteReplicaLogin, keepReplicaLogin, readReplicaLogin } from "./rds/replica-login.ts";
import { isBroken, statusMeaning } from "./rds/status.ts";
import { type Progress, untilDone } from "./rds/until.ts";
import { awsNames, awsTags, type RegionResources } from "./resources.ts";

export interface ReplicasParts {
  /** Clients and resources of the region that the replicas are in. */
  readonly rds: RDSClient;
  readonly secrets: SecretsManagerClient;
  readonly resources: ReplicaResources & Pick<RegionResources, "region">;
  /** Of a source's region: its server's login is read there when a replica is made. */
  readonly secretsOf: (source: string) => SecretsManagerClient;
  readonly clock: Clock;
  readonly log?: (message: string) => void;
  /** PEM of authorities that are trusted besides RDS's own; by default those of NODE_EXTRA_CA_CERTS. */
  readonly otherAuthorities?: readonly string[];
}

/**
 * RDS's read replicas across regions, which follow asynchronously over AWS's own network. To make one takes as long as
 * copying the disk, to promote one some minutes: RDS restarts it, then it gets the server's name and a new password. Each
 * step is one that can be repeated, and the tag that says that it is a replica goes last.
 */
export function createReplicas(parts: ReplicasParts): Replicas {
  return new RdsReplicas(parts);
}

const existsNames = ["DBInstanceAlreadyExists", "DBInstanceAlreadyExistsFault"];
const stateNames = ["InvalidDBInstanceState", "InvalidDBInstanceStateFault"];

class RdsReplicas implements Replicas {
  readonly #parts: ReplicasParts;
  readonly #prefix: string;
  readonly #lags: KnownLags;
  #authorities: string | undefined;

  constructor(parts: ReplicasParts) {
    this.#parts = parts;
    this.#prefix = parts.resources.prefix;
    this.#lags = new KnownLags(parts.clock);
  }

  async create({ source, server }: ReplicaName): Promise<void> {
    const replica = { source, server: checkServerName(server) };
    await this.#until(replica, "does not follow yet", async () => {
      const instance = (await this.#find(replica)) ?? (await this.#make(replica));
      if (instance === undefined) return { is: "unknown" };
      if (isPromoted(instance)) throw promotedReplica(replica);
      if (replicaStatus(instance) === "broken") return this.#remove(instance);
      return isServing(instance) ? "done" : { is: instance.DBInstanceStatus };
    });
  }

  async list(): Promise<readonly ReplicaStatus[]> {
    const found: (ReplicaName & { readonly instance: DBInstance })[] = [];
    for await (const page of paginateDescribeDBInstances({ client: this.#parts.rds }, {})) {
      for (const instance of page.DBInstances ?? []) {
        const replica = replicaSource(instance, this.#prefix);
        if (replica) found.push({ ...replica, instance });
      }
    }
    const statuses = await Promise.all(
      found.map(({ instance, ...replica }) => this.#describe(replica, instance)),
    );
    return statuses.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1));
  }

  async promote(wish: Parameters<Replicas["promote"]>[0]): Promise<void> {
    const name = checkServerName(wish.name);
    instanceIdentifier(this.#prefix, name);
    const replica = { source: wish.source, server: checkServerName(wish.server) };
    let isPasswordSet = false;
    await this.#until(replica, `is not the server ${name} yet`, async () => {
      const server = await this.#findInstance(awsNames.database(this.#prefix, name));
      if (!server) return this.#promoteOrRename(replica, name);
      if (isOwn(server, this.#prefix) && !(await this.#find(replica))) return "done";
      if (!this.#isCopy(server, replica)) throw takenName(server);
      if (!isServing(server) || hasPendingPassword(server)) return { is: server.DBInstanceStatus };
      if (isPasswordSet) return this.#complete(server, name);
      isPasswordSet = await this.#setPassword(server, name);
      return { is: "setting the administrator's password" };
    });
    await deleteReplicaLogin({ client: this.#parts.secrets, prefix: this.#prefix, ...replica });
  }

  async delete({ source, server }: ReplicaName): Promise<void> {
    if (!isServerName(server)) return;
    const replica = { source, server };
    await this.#until(replica, "is not gone yet", async () => {
      const instance = await this.#find(replica);
      if (!instance) return "done";
      const progress = await this.#remove(instance);
      // An emulator has done it by now; RDS takes minutes.
      return (await this.#find(replica)) ? progress : "done";
    });
    await deleteReplicaLogin({ client: this.#parts.secrets, prefix: this.#prefix, ...replica });
  }

  async #remove({ DBInstanceIdentifier, DBInstanceStatus }: DBInstance): Promise<Progress> {
    if (statusMeaning(DBInstanceStatus).server !== "deleting") {
      const command = new DeleteDBInstanceCommand({ DBInstanceIdentifier, SkipFinalSnapshot: true });
      await this.#parts.rds.send(command).catch(ignore(...stateNames, ...notFoundNames));
    }
    return { is: DBInstanceStatus };
  }

  /** Asks RDS for it; `undefined` when it can't be made just now. */
  async #make(replica: ReplicaName): Promise<DBInstance | undefined> {
    const { rds, secrets, secretsOf, resources, clock } = this.#parts;
    const { source, server } = replica;
    const { prefix, keyArn } = resources;
    // First, so that whoever finds a replica finds its login too.
    const login = { client: secrets, prefix, source, server };
    if (!(await keepReplicaLogin({ ...login, from: secretsOf(source), keyArn }, clock)))
      throw missingReplica(replica);
    try {
      const command = new CreateDBInstanceReadReplicaCommand(replicaParameters(replica, resources));
      return (await rds.send(command)).DBInstance;
    } catch (error) {
      if (isAwsError(error, ...existsNames)) return this.#findOrRefuse(replica);
      if (isAwsError(error, ...notFoundNames)) {
        await deleteReplicaLogin(login);
        throw missingReplica(replica, error);
      }
      if (isAwsError(error, ...stateNames)) {
        if (/backup/i.test(error.message)) throw unreplicable(replica, error);
        return undefined;
      }
      throw error;
    }
  }

  /** While there is no server of the name: the copy is made to take writes, and then to have it. */
  async #promoteOrRename(replica: ReplicaName, name: string): Promise<Progress> {
    const { rds } = this.#parts;
    const instance = await this.#find(replica);
    if (!instance) throw missingReplica(replica);
    const { DBInstanceIdentifier, DBInstanceStatus } = instance;
    if (isBroken(DBInstanceStatus)) throw brokenReplica(instance);
    if (!isServing(instance)) return { is: DBInstanceStatus };
    const command = follows(instance)
      ? new PromoteReadReplicaCommand({ DBInstanceIdentifier, BackupRetentionPeriod: backupDays })
      : new ModifyDBInstanceCommand({
          DBInstanceIdentifier,
          NewDBInstanceIdentifier: awsNames.database(this.#prefix, name),
          ApplyImmediately: true,
        });
    await rds.send(command as PromoteReadReplicaCommand).catch(ignore(...stateNames));
    return { is: follows(instance) ? "promoting" : "renaming" };
  }

  /** Returns false when RDS does not take it just now. */
  async #setPassword({ DBInstanceIdentifier }: DBInstance, name: string): Promise<boolean> {
    const { rds, secrets, clock, resources } = this.#parts;
    const { prefix, keyArn } = resources;
    const login = await ensureAdministrator({ client: secrets, prefix, server: name, keyArn }, clock);
    return this.#modify(rds, { DBInstanceIdentifier, MasterUserPassword: login.password });
  }

  /** A standby, protection, and at last the tags of a server. */
  async #complete(server: DBInstance, name: string): Promise<Progress> {
    const { rds } = this.#parts;
    const { DBInstanceIdentifier, DBInstanceArn: ResourceName, DBInstanceStatus } = server;
    const wish = { DBInstanceIdentifier, MultiAZ: true, DeletionProtection: true };
    if (!(await this.#modify(rds, wish))) return { is: DBInstanceStatus };
    const Tags = [{ Key: awsTags.server, Value: name }];
    await rds.send(new AddTagsToResourceCommand({ ResourceName, Tags }));
    await rds.send(new RemoveTagsFromResourceCommand({ ResourceName, TagKeys: [awsTags.replicaOf] }));
    return "done";
  }

  async #modify(
    rds: RDSClient,
    wish: ConstructorParameters<typeof ModifyDBInstanceCommand>[0],
  ): Promise<boolean> {
    const sent = rds.send(new ModifyDBInstanceCommand({ ...wish, ApplyImmediately: true }));
    return (await sent.catch(ignore(...stateNames))) !== undefined;
  }

  async #describe(replica: ReplicaName, instance: DBInstance): Promise<ReplicaStatus> {
    const { secrets: client, resources, otherAuthorities } = this.#parts;
    const status = replicaStatus(instance);
    if (status === "creating") return { ...replica, status, lagSeconds: null };
    this.#authorities ??= rdsAuthorities(resources.region, otherAuthorities);
    const certificateAuthority = this.#authorities;
    const lagSeconds = await this.#lags.get(instance.DBInstanceArn ?? "", async () => {
      const credentials = await readReplicaLogin({ client, prefix: this.#prefix, ...replica });
      return readReplicaLag(instance, { credentials, certificateAuthority });
    });
    return { ...replica, status, lagSeconds };
  }

  /** Whether the instance is a copy of that server, under whichever name. */
  #isCopy(instance: DBInstance, { source, server }: ReplicaName): boolean {
    const copied = replicaSource(instance, this.#prefix);
    return copied?.source === source && copied.server === server;
  }

  /** The copy's instance, which may follow no more; `undefined` when there is none, or only one of somebody else's. */
  async #find(replica: ReplicaName): Promise<DBInstance | undefined> {
    const found = await this.#findUnderItsName(replica);
    return found && this.#isCopy(found, replica) ? found : undefined;
  }

  async #findOrRefuse(replica: ReplicaName): Promise<DBInstance | undefined> {
    const found = await this.#findUnderItsName(replica);
    if (found && !this.#isCopy(found, replica)) throw takenName(found);
    return found;
  }

  #findUnderItsName({ source, server }: ReplicaName): Promise<DBInstance | undefined> {
    return this.#findInstance(awsNames.replica(this.#prefix, source, server));
  }

  async #findInstance(DBInstanceIdentifier: string): Promise<DBInstance | undefined> {
    const command = new DescribeDBInstancesCommand({ DBInstanceIdentifier });
    return (await this.#parts.rds.send(command).catch(ignore(...notFoundNames)))?.DBInstances?.[0];
  }

  #until({ source, server }: ReplicaName, what: string, look: () => Promise<Progress>): Promise<void> {
    return untilDone(this.#parts, { name: `replica of ${source}'s database server ${server}`, what }, look);
  }
}

function keyOf({ source, server }: ReplicaName): string {
  return `${source}/${server}`;
}

/** It takes requests that change it, and connections. */
function isServing({ DBInstanceStatus, Endpoint }: DBInstance): boolean {
  return statusMeaning(DBInstanceStatus).node === "running" && Endpoint?.Address !== undefined;
}

/** It is on its way to become a server. */
function isPromoted(instance: DBInstance): boolean {
  return !follows(instance) && statusMeaning(instance.DBInstanceStatus).server !== "creating";
}

function hasPendingPassword({ PendingModifiedValues }: DBInstance): boolean {
  return PendingModifiedValues?.MasterUserPassword !== undefined;
}

function ignore(...names: readonly string[]): (error: unknown) => undefined {
  return (error) => {
    if (!isAwsError(error, ...names)) throw error;
    return undefined;
  };
}
