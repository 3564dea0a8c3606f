import { randomInt } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type DBInstance, paginateDescribeDBInstances, RDSClient } from "@aws-sdk/client-rds";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { type AwsAccess, createAwsClient } from "../../../src/aws/client.ts";
import { readAdministrator } from "../../../src/aws/rds/administrator.ts";
import { serverOf } from "../../../src/aws/rds/instance.ts";
import { awsTags } from "../../../src/aws/resources.ts";
import { setNames } from "./names.ts";
import { createRdsPostgres, type RdsPostgres } from "./rds-postgres.ts";
import { createTestAuthority, type TestAuthority } from "./test-authority.ts";

/**
 * A real Postgres behind each RDS instance of an emulated account: the emulator keeps records alone. Each listens on a
 * loopback address of its own, at the instance's port, and has a certificate for the instance's host name.
 */
export interface DatabasePlane {
  /** For {@link mapNames}, and for ROWHOUSE_TEST_NAMES of programs. */
  readonly namesFile: string;
  /** Authority of all certificates; for NODE_EXTRA_CA_CERTS of programs. */
  readonly authority: TestAuthority;
  /** Resolves when the instance's Postgres takes connections, which in RDS the status `available` says. */
  untilServing(identifier: string): Promise<void>;
  /** What RDS does when the primary's machine dies: Postgres crashes and comes up elsewhere, under the same host name. */
  failOver(identifier: string): Promise<void>;
  /** Removes all servers and files. */
  stop(): Promise<void>;
}

const pollMilliseconds = 100;
const patienceMilliseconds = 60_000;

/** Watches the instances of these accounts from now on. */
export async function startDatabasePlane(options: {
  readonly accesses: readonly AwsAccess[];
}): Promise<DatabasePlane> {
  const folder = await mkdtemp(join(tmpdir(), "rowhouse-test-plane-"));
  return new WatchingPlane(folder, await createTestAuthority(folder), options.accesses);
}

interface Server {
  readonly identifier: string;
  readonly host: string;
  readonly port: number;
  /** Tells an instance from the next one of the same name. */
  readonly createdAt: number;
  /** Rejects when it could not be made. */
  readonly postgres: Promise<RdsPostgres>;
}

interface Account {
  readonly rds: RDSClient;
  readonly secrets: SecretsManagerClient;
  /** By host name. */
  readonly servers: Map<string, Server>;
}

class WatchingPlane implements DatabasePlane {
  readonly namesFile: string;
  readonly authority: TestAuthority;
  readonly #folder: string;
  readonly #accounts: readonly Account[];
  readonly #stopping = new AbortController();
  readonly #watching: Promise<void>;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string, authority: TestAuthority, accesses: readonly AwsAccess[]) {
    this.#folder = folder;
    this.authority = authority;
    this.namesFile = join(folder, "names.json");
    setNames(this.namesFile, {});
    this.#accounts = accesses.map((access) => ({
      rds: createAwsClient(RDSClient, access),
      secrets: createAwsClient(SecretsManagerClient, access),
      servers: new Map(),
    }));
    this.#watching = this.#keepWatching();
  }

  async untilServing(identifier: string): Promise<void> {
    for (const deadline = Date.now() + patienceMilliseconds; ; await pause(pollMilliseconds)) {
      await this.#look();
      const server = this.#find(identifier);
      if (server) return void (await server.postgres);
      if (Date.now() > deadline) throw new Error(`There is no RDS instance ${identifier}`);
    }
  }

  async failOver(identifier: string): Promise<void> {
    const server = this.#find(identifier);
    const postgres = await server?.postgres;
    if (!server || !postgres) throw new Error(`There is no RDS instance ${identifier}`);
    await postgres.stop("crash");
    await this.#listen(postgres, server);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    // Its servers go even where the emulator went first.
    await this.#watching.catch(() => {});
    for (const { rds, secrets, servers } of this.#accounts) {
      await Promise.all([...servers.values()].map((server) => this.#remove(server)));
      rds.destroy();
      secrets.destroy();
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #find(identifier: string): Server | undefined {
    const servers = this.#accounts.flatMap((account) => [...account.servers.values()]);
    return servers.find((server) => server.identifier === identifier);
  }

  async #keepWatching(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.#look();
      await pause(pollMilliseconds);
    }
  }

  /** Brings the servers in line with the instances that there are now; one look at a time. */
  #look(): Promise<unknown> {
    this.#last = this.#last.then(() => Promise.all(this.#accounts.map((account) => this.#lookAt(account))));
    return this.#last;
  }

  async #lookAt({ rds, secrets, servers }: Account): Promise<void> {
    const instances = await listInstances(rds);
    const isThere = (server: Server) =>
      instances.some(
        (instance) => instance.Endpoint?.Address === server.host && createdAt(instance) === server.createdAt,
      );
    for (const server of servers.values()) {
      if (isThere(server)) continue;
      await this.#remove(server);
      servers.delete(server.host);
    }
    for (const instance of instances) {
      const { Address: host } = instance.Endpoint ?? {};
      if (host !== undefined && !servers.has(host)) servers.set(host, this.#add(instance, host, secrets));
    }
  }

  #add(instance: DBInstance, host: string, secrets: SecretsManagerClient): Server {
    const address = { host, port: instance.Endpoint?.Port ?? 5432 };
    const postgres = this.#make(instance, address, secrets);
    // Whoever waits for it is told; without anyone it must not end the process.
    postgres.catch(() => {});
    const identifier = instance.DBInstanceIdentifier ?? "";
    return { ...address, identifier, createdAt: createdAt(instance), postgres };
  }

  async #make(
    instance: DBInstance,
    address: { readonly host: string; readonly port: number },
    secrets: SecretsManagerClient,
  ): Promise<RdsPostgres> {
    const prefix = instance.TagList?.find(({ Key }) => Key === awsTags.prefix)?.Value ?? "";
    const server = serverOf(instance, prefix);
    const administrator = await readAdministrator({ client: secrets, prefix, server });
    if (!administrator) throw new Error(`${instance.DBInstanceIdentifier} has no administrator's secret`);
    const postgres = await createRdsPostgres({
      administrator,
      ...(await this.authority.issue(address.host)),
    });
    await this.#listen(postgres, address);
    return postgres;
  }

  async #listen(
    postgres: RdsPostgres,
    { host, port }: { readonly host: string; readonly port: number },
  ): Promise<void> {
    const address = await freeAddress(port);
    await postgres.start({ host: address, port });
    setNames(this.namesFile, { [host]: address });
  }

  async #remove(server: Server): Promise<void> {
    setNames(this.namesFile, { [server.host]: undefined });
    const postgres = await server.postgres.catch(() => undefined);
    await postgres?.remove();
    setNames(this.namesFile, { [server.host]: undefined });
  }
}

function createdAt(instance: DBInstance): number {
  return instance.InstanceCreateTime?.getTime() ?? 0;
}

async function listInstances(client: RDSClient): Promise<DBInstance[]> {
  const found: DBInstance[] = [];
  for await (const page of paginateDescribeDBInstances({ client }, {}))
    found.push(...(page.DBInstances ?? []));
  return found;
}

/** A loopback address that nothing else has this port on; the VPCs' own begin with 127.16 to 127.31. */
async function freeAddress(port: number): Promise<string> {
  for (;;) {
    const address = `127.${randomInt(200, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, address, () => probe.close(() => resolve(true)));
    });
    if (isFree) return address;
  }
}
