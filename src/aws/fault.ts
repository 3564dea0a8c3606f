import { fault } from "../core/error.ts";

/** What every exception of the SDK carries. */
interface ServiceException {
  readonly name: string;
  readonly message: string;
  readonly $fault?: "client" | "server";
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly code?: unknown;
}

const credentialFaults = new Set([
  "CredentialsProviderError",
  "ExpiredToken",
  "ExpiredTokenException",
  "InvalidAccessKeyId",
  "InvalidClientTokenId",
  "RequestExpired",
  "SignatureDoesNotMatch",
  "TokenProviderError",
  "UnrecognizedClientException",
]);

const accessFaults = new Set([
  "AccessDenied",
  "AccessDeniedException",
  "AuthorizationError",
  "NotAuthorized",
  "OperationNotPermittedFault",
  "UnauthorizedOperation",
]);

const throttlingFaults = new Set([
  "PriorRequestNotComplete",
  "ProvisionedThroughputExceededException",
  "RequestLimitExceeded",
  "RequestThrottled",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "ThrottledException",
  "TooManyRequestsException",
]);

/** What is wanted is sold out for now, whatever the account's quotas. */
const capacityFaults = new Set([
  "InsufficientDBInstanceCapacity",
  "InsufficientDBInstanceCapacityFault",
  "InsufficientHostCapacity",
  "InsufficientInstanceCapacity",
]);

/** Quotas that a running system can meet, by the exception: their names in the Service Quotas console. */
const quotas: Readonly<Record<string, string>> = {
  InstanceQuotaExceeded: "RDS: DB instances (40 a region)",
  InstanceQuotaExceededFault: "RDS: DB instances (40 a region)",
  StorageQuotaExceeded: "RDS: total storage of all DB instances",
  StorageQuotaExceededFault: "RDS: total storage of all DB instances",
  InstanceLimitExceeded: "EC2: running on-demand instances",
  VcpuLimitExceeded: "EC2: running on-demand instances, in vCPUs",
  MaxSpotInstanceCountExceeded: "EC2: all spot instance requests, in vCPUs",
  AddressLimitExceeded: "EC2: elastic IP addresses (5 a region)",
  VpcLimitExceeded: "VPC: VPCs a region (5)",
  NatGatewayLimitExceeded: "VPC: NAT gateways a zone (5)",
  TooManyTargets: "ELB: targets a target group (1,000)",
  TooManyRegistrationsForTargetId: "ELB: target groups a target",
  TooManyHostedZones: "Route 53: hosted zones (500)",
  TooManyBuckets: "S3: buckets (100)",
};

const networkFaults = new Set(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "EPIPE"]);

/**
 * The RowhouseError of what went wrong apart from the call itself, or the error as it came.
 * E_AWS_CREDENTIALS, E_AWS_ACCESS, E_AWS_THROTTLED, E_AWS_CAPACITY, E_AWS_QUOTA, E_AWS_UNAVAILABLE.
 */
export function toAwsFault(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { name, message, $fault, $metadata, code } = error as Error & ServiceException;
  const options = { cause: error };
  if (credentialFaults.has(name))
    return fault("E_AWS_CREDENTIALS", `AWS did not accept the credentials (${name}).`, options);
  if (accessFaults.has(name)) return fault("E_AWS_ACCESS", `AWS refused: ${sentence(message)}`, options);
  // The answer to a HEAD has no body: nothing but its status says why it failed.
  if (name === "Unknown" && $metadata?.httpStatusCode === 403)
    return fault("E_AWS_ACCESS", "AWS refused, and did not say why.", options);
  if (throttlingFaults.has(name))
    return fault(
      "E_AWS_THROTTLED",
      `AWS throttled a call ${$metadata?.attempts ?? 1} times (${name}).`,
      options,
    );
  if (capacityFaults.has(name)) return fault("E_AWS_CAPACITY", sentence(message), options);
  const quota = quotaOf(name, message);
  if (quota !== undefined)
    return fault("E_AWS_QUOTA", `The quota "${quota}" is reached: ${sentence(message)}`, options);
  if (networkFaults.has(String(code)))
    return fault("E_AWS_UNAVAILABLE", `AWS can't be reached: ${sentence(message)}`, options);
  if ($fault === "server" || ($metadata?.httpStatusCode ?? 0) >= 500)
    return fault("E_AWS_UNAVAILABLE", `AWS failed: ${sentence(message || name)}`, options);
  return error;
}

/** True for the SDK's exception of one of these names. */
export function isAwsError(error: unknown, ...names: readonly string[]): error is Error {
  return error instanceof Error && names.includes(error.name);
}

/** A quota's exception names none where it is of the generic kind; then its message has to do. */
function quotaOf(name: string, message: string): string | undefined {
  if (Object.hasOwn(quotas, name)) return quotas[name];
  const isGeneric =
    /^(LimitExceeded|LimitExceededException|LimitExceededFault|ServiceQuotaExceededException|.*QuotaExceeded.*)$/.test(
      name,
    );
  return isGeneric ? sentence(message).replace(/\.$/, "") : undefined;
}

function sentence(text: string): string {
  return `${text.replace(/[.\s]*$/, "")}.`;
}
