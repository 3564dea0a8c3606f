import { RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import { createDatabases } from "../../../src/aws/databases.ts";
import type { ReplicaResources } from "../../../src/aws/rds/replica.ts";
import { createReplicas, type ReplicasParts } from "../../../src/aws/replicas.ts";
import { awsNames, type RegionResources } from "../../../src/aws/resources.ts";
import { createSystemClock } from "../../../src/node/clock.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Databases } from "../../../src/ports/databases.ts";
import type { Replicas } from "../../../src/ports/replicas.ts";
import { emptyAccount, testPrefix } from "./account.ts";
import { type DatabasePlane, startDatabasePlane } from "./database-plane.ts";
import { type DatabaseResources, makeDatabaseResources } from "./database-resources.ts";
import { mapNames } from "./names.ts";

export const sourceRegion = "eu-west-1";
export const recoveryRegion = "eu-central-1";

/** The emulator has done at once what RDS takes minutes for. */
const systemClock = createSystemClock();
export const hurriedClock: Clock = {
  now: () => systemClock.now(),
  elapsedMilliseconds: () => systemClock.elapsedMilliseconds(),
  sleep: (milliseconds, signal) => systemClock.sleep(milliseconds / 100, signal),
};

/** One of the two regions. */
export interface ReplicaRegion {
  readonly access: AwsAccess;
  readonly resources: ReplicaResources & Pick<RegionResources, "region">;
  /** Makes servers whose Postgres takes connections when they are there. */
  readonly databases: Databases;
}

/** A region and its recovery region in one emulated account, with a real Postgres behind each server and replica. */
export class ReplicaRegions {
  readonly prefix: string;
  readonly plane: DatabasePlane;
  readonly source: ReplicaRegion;
  readonly recovery: ReplicaRegion;
  readonly #clean: () => Promise<void>;
  readonly #made = new Set<string>();

  constructor(parts: {
    readonly plane: DatabasePlane;
    readonly source: Omit<ReplicaRegion, "databases">;
    readonly recovery: Omit<ReplicaRegion, "databases">;
    readonly clean: () => Promise<void>;
  }) {
    this.prefix = parts.source.resources.prefix;
    this.plane = parts.plane;
    this.source = { ...parts.source, databases: this.#databases(parts.source) };
    this.recovery = { ...parts.recovery, databases: this.#databases(parts.recovery) };
    this.#clean = parts.clean;
  }

  /** Replicas in the recovery region; a promoted one takes connections when the promotion returns. */
  replicas(changes: Partial<ReplicasParts> = {}): Replicas {
    const { access, resources } = this.recovery;
    const replicas = createReplicas({
      rds: createAwsClient(RDSClient, access),
      secrets: createAwsClient(SecretsManagerClient, access),
      secretsOf: (region) => createAwsClient(SecretsManagerClient, { ...access, region }),
      clock: hurriedClock,
      resources,
      otherAuthorities: [this.plane.authority.pem],
      ...changes,
    });
    return {
      create: (replica) => replicas.create(replica),
      list: () => replicas.list(),
      promote: async (promotion) => {
        await replicas.promote(promotion);
        await this.plane.untilServing(awsNames.database(this.prefix, promotion.name));
      },
      delete: (replica) => replicas.delete(replica),
    };
  }

  async loseSource(): Promise<void> {
    await Promise.all([...this.#made].map((identifier) => this.plane.lose(identifier)));
  }

  async dispose(): Promise<void> {
    await this.plane.stop();
    await this.#clean();
  }

  #databases({ access, resources }: Omit<ReplicaRegion, "databases">): Databases {
    const databases = createDatabases({
      rds: createAwsClient(RDSClient, access),
      secrets: createAwsClient(SecretsManagerClient, access),
      clock: hurriedClock,
      resources,
      otherAuthorities: [this.plane.authority.pem],
    });
    return {
      create: async (server) => {
        await databases.create(server);
        const identifier = awsNames.database(this.prefix, server.name);
        await this.plane.untilServing(identifier);
        this.#made.add(identifier);
      },
      endpoint: (name) => databases.endpoint(name),
      administrator: (name) => databases.administrator(name),
      describe: (name) => databases.describe(name),
      list: () => databases.list(),
      failOver: (name) => databases.failOver(name),
      delete: (name) => databases.delete(name),
    };
  }
}

export async function openReplicaRegions(): Promise<ReplicaRegions> {
  const account = await emptyAccount(sourceRegion);
  const prefix = testPrefix();
  const { Account: accountId = "" } = await new STSClient(account).send(new GetCallerIdentityCommand({}));
  const disposals: DatabaseResources["dispose"][] = [];
  const open = async (region: string) => {
    const access = { ...account, region };
    const { resources, dispose } = await makeDatabaseResources(access, prefix);
    disposals.push(dispose);
    return { access, resources: { ...resources, accountId } };
  };
  const [source, recovery] = [await open(sourceRegion), await open(recoveryRegion)];
  const plane = await startDatabasePlane({ accesses: [source.access, recovery.access] });
  const unmap = mapNames(plane.namesFile);
  const clean = async () => {
    unmap();
    for (const dispose of disposals) await dispose();
  };
  return new ReplicaRegions({ plane, source, recovery, clean });
}
