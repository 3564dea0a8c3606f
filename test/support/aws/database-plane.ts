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
import type { DatabaseCredentials } from "../../../src/ports/databases.ts";
import { setNames } from "./names.ts";
import { createRdsPostgres, createRdsReplica, type RdsPostgres } from "./rds-postgres.ts";
import { createTestAuthority, type TestAuthority } from "./test-authority.ts";

/**
 * A real Postgres behind each RDS instance of an emulated account: the emulator keeps records alone. Each listens on a
 * loopback address of its own, at the instance's port, and has a certificate for the instance's host name. A read replica
 * streams from its source's, wherever both are, until it is promoted; a renamed instance keeps its data.
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
  /** The instance's Postgres crashes and stays down, as all of a region that is lost. */
  lose(identifier: string): Promise<void>;
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
  /** RDS's own, which outlives a change of the name. */
  readonly resourceId: string;
  identifier: string;
  host: string;
  readonly port: number;
  /** Where it listens. */
  address?: string;
  /** ARN of what it follows. */
  source: string | undefined;
  /** Promoted, and its new administrator's login not seen yet. */
  awaitsLogin: boolean;
  /** Rejects when it could not be made; what is done to it afterwards is in it too. */
  postgres: Promise<RdsPostgres>;
}

interface Account {
  readonly region: string;
  readonly rds: RDSClient;
  readonly secrets: SecretsManagerClient;
  /** By their resources' ids. */
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
      region: access.region,
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
    const host = await this.#listen(postgres, server);
    for (const replica of this.#servers()) {
      if (this.#sourceOf(replica) !== server) continue;
      await (await replica.postgres).follow({ host, port: server.port });
    }
  }

  async lose(identifier: string): Promise<void> {
    await (await this.#find(identifier)?.postgres)?.stop("crash");
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

  #servers(): Server[] {
    return this.#accounts.flatMap((account) => [...account.servers.values()]);
  }

  #find(identifier: string): Server | undefined {
    return this.#servers().find((server) => server.identifier === identifier);
  }

  #sourceOf({ source }: Server): Server | undefined {
    const [, , , region, , , identifier] = source?.split(":") ?? [];
    const account = this.#accounts.find((each) => each.region === region);
    return [...(account?.servers.values() ?? [])].find((server) => server.identifier === identifier);
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

  async #lookAt(account: Account): Promise<void> {
    const { rds, servers } = account;
    const instances = new Map((await listInstances(rds)).map((instance) => [idOf(instance), instance]));
    for (const [id, server] of servers) {
      const instance = instances.get(id);
      if (instance) this.#follow(server, instance);
      if (server.awaitsLogin) await this.#giveLogin(server, account, instance);
      if (instance) continue;
      await this.#remove(server);
      servers.delete(id);
    }
    for (const [id, instance] of instances) {
      const { Address: host } = instance.Endpoint ?? {};
      if (host !== undefined && !servers.has(id)) servers.set(id, this.#add(instance, host, account));
    }
  }

  /** Brings about what changed of an instance: it was promoted, or has another name. */
  #follow(server: Server, instance: DBInstance): void {
    if (server.source !== undefined && sourceOf(instance) === undefined) {
      server.source = undefined;
      server.awaitsLogin = true;
      change(server, (postgres) => postgres.promote());
    }
    const { Address: host = server.host } = instance.Endpoint ?? {};
    if (host === server.host) return;
    const names = { [server.host]: undefined, [host]: server.address };
    server.host = host;
    server.identifier = instance.DBInstanceIdentifier ?? "";
    change(server, async (postgres) => {
      await postgres.setCertificate(await this.authority.issue(host));
      setNames(this.namesFile, names);
    });
  }

  /** The emulator tells nobody the password that an instance was given: it is the one of the secret beside it. */
  async #giveLogin(server: Server, { secrets: client }: Account, instance?: DBInstance): Promise<void> {
    const prefix = prefixOf(instance);
    const name = server.identifier.slice(prefix.length + 1);
    const login = await readAdministrator({ client, prefix, server: name });
    if (!login) return;
    server.awaitsLogin = false;
    change(server, (postgres) => postgres.setPassword(login));
  }

  #add(instance: DBInstance, host: string, account: Account): Server {
    const server: Server = {
      resourceId: idOf(instance),
      identifier: instance.DBInstanceIdentifier ?? "",
      host,
      port: instance.Endpoint?.Port ?? 5432,
      source: sourceOf(instance),
      awaitsLogin: false,
      postgres: Promise.reject(new Error("It is not made yet")),
    };
    server.postgres.catch(() => {});
    server.postgres = this.#make(server, instance, account);
    // Whoever waits for it is told; without anyone it must not end the process.
    server.postgres.catch(() => {});
    return server;
  }

  async #make(server: Server, instance: DBInstance, { secrets: client }: Account): Promise<RdsPostgres> {
    const certificate = await this.authority.issue(server.host);
    const postgres =
      server.source === undefined
        ? await createRdsPostgres({ administrator: await loginOf(instance, client), ...certificate })
        : await this.#copy(server, certificate);
    await this.#listen(postgres, server);
    return postgres;
  }

  async #copy(server: Server, certificate: { readonly certificate: string; readonly key: string }) {
    const source = this.#sourceOf(server);
    if (!source) throw new Error(`${server.identifier} is a replica of nothing that is here`);
    return createRdsReplica({
      ...certificate,
      source: await source.postgres,
      at: { host: source.address ?? "", port: source.port },
      name: server.resourceId.toLowerCase().replaceAll(/[^a-z0-9]+/g, "_"),
    });
  }

  /** Returns the address. */
  async #listen(postgres: RdsPostgres, server: Server): Promise<string> {
    const address = await freeAddress(server.port);
    await postgres.start({ host: address, port: server.port });
    server.address = address;
    setNames(this.namesFile, { [server.host]: address });
    return address;
  }

  async #remove(server: Server): Promise<void> {
    setNames(this.namesFile, { [server.host]: undefined });
    const postgres = await server.postgres.catch(() => undefined);
    await postgres?.remove();
    setNames(this.namesFile, { [server.host]: undefined });
  }
}

function change(server: Server, work: (postgres: RdsPostgres) => Promise<void>): void {
  server.postgres = server.postgres.then(async (postgres) => {
    await work(postgres);
    return postgres;
  });
  server.postgres.catch(() => {});
}

function idOf(instance: DBInstance): string {
  return instance.DbiResourceId ?? "";
}

function sourceOf(instance: DBInstance): string | undefined {
  return instance.ReadReplicaSourceDBInstanceIdentifier || undefined;
}

function prefixOf(instance?: DBInstance): string {
  return instance?.TagList?.find(({ Key }) => Key === awsTags.prefix)?.Value ?? "";
}

async function loginOf(instance: DBInstance, client: SecretsManagerClient): Promise<DatabaseCredentials> {
  const prefix = prefixOf(instance);
  const login = await readAdministrator({ client, prefix, server: serverOf(instance, prefix) });
  if (!login) throw new Error(`${instance.DBInstanceIdentifier} has no administrator's secret`);
  return login;
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
