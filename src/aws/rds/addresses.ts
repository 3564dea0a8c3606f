import { type DBInstance, DescribeDBInstancesCommand, type RDSClient } from "@aws-sdk/client-rds";
import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { isServerName } from "../../core/database/server-name.ts";
import { fault } from "../../core/error.ts";
import type { DatabaseCredentials, DatabaseEndpoint, Databases } from "../../ports/databases.ts";
import { isAwsError } from "../fault.ts";
import type { RegionResources } from "../resources.ts";
import { readAdministrator } from "./administrator.ts";
import { rdsAuthorities } from "./authorities.ts";
import { instanceIdentifier, isOwn } from "./instance.ts";
import { statusMeaning } from "./status.ts";

/** What it takes to find servers. */
export interface OpenParts {
  readonly rds: RDSClient;
  readonly resources: Pick<RegionResources, "prefix" | "region">;
  /** PEM of authorities that are trusted besides RDS's own; by default those of NODE_EXTRA_CA_CERTS. */
  readonly otherAuthorities?: readonly string[];
}

/** What it takes to log in to them as well. */
export interface AdministerParts extends OpenParts {
  readonly secrets: SecretsManagerClient;
}

/** Names of RDS's exception for an instance that is not there. */
export const notFoundNames = ["DBInstanceNotFound", "DBInstanceNotFoundFault"];

/** Where a deployment's servers are. */
export class RdsAddresses implements Pick<Databases, "endpoint"> {
  protected readonly rds: RDSClient;
  protected readonly prefix: string;
  readonly #region: string;
  readonly #otherAuthorities: readonly string[] | undefined;
  #authorities: string | undefined;
  /**
   * One object per endpoint: connections remember things by it. It need not be asked for again, because a server of the
   * same name has the same host name, another instance of that name too.
   */
  protected readonly endpoints = new Map<string, DatabaseEndpoint>();

  constructor(parts: OpenParts) {
    this.rds = parts.rds;
    this.prefix = parts.resources.prefix;
    this.#region = parts.resources.region;
    this.#otherAuthorities = parts.otherAuthorities;
  }

  async endpoint(name: string): Promise<DatabaseEndpoint> {
    const known = this.endpoints.get(name);
    if (known) return known;
    const instance = await this.find(name);
    const { Address: host, Port: port } = instance?.Endpoint ?? {};
    const isDeleting = statusMeaning(instance?.DBInstanceStatus).server === "deleting";
    if (host === undefined || port === undefined || isDeleting) throw notFound(name);
    const raced = this.endpoints.get(name);
    if (raced) return raced;
    this.#authorities ??= rdsAuthorities(this.#region, this.#otherAuthorities);
    const endpoint = { nodes: [{ host, port }], certificateAuthority: this.#authorities };
    this.endpoints.set(name, endpoint);
    return endpoint;
  }

  /** The server's instance; `undefined` when there is none, or only one of somebody else's. */
  protected async find(name: string): Promise<DBInstance | undefined> {
    const found = isServerName(name) ? await this.findAnyones(name) : undefined;
    return found && isOwn(found, this.prefix) ? found : undefined;
  }

  protected async findAnyones(name: string): Promise<DBInstance | undefined> {
    const DBInstanceIdentifier = instanceIdentifier(this.prefix, name);
    try {
      const { DBInstances } = await this.rds.send(new DescribeDBInstancesCommand({ DBInstanceIdentifier }));
      return DBInstances?.[0];
    } catch (error) {
      if (isAwsError(error, ...notFoundNames)) return undefined;
      throw error;
    }
  }
}

/** The same with the administrators' logins. */
export class RdsLogins extends RdsAddresses implements Pick<Databases, "endpoint" | "administrator"> {
  protected readonly secrets: SecretsManagerClient;

  constructor(parts: AdministerParts) {
    super(parts);
    this.secrets = parts.secrets;
  }

  async administrator(name: string): Promise<DatabaseCredentials> {
    if (!isServerName(name)) throw notFound(name);
    const login = await readAdministrator({ client: this.secrets, prefix: this.prefix, server: name });
    if (!login) throw notFound(name);
    return login;
  }
}

/** What is said of a server that is not there. */
export function notFound(name: string): Error {
  return fault("E_NOT_FOUND", `There is no database server "${name}".`);
}
