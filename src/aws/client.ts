import { toAwsFault } from "./fault.ts";

/** Who calls which region of AWS. Without `credentials` the SDK finds them itself, on a server in its role. */
export interface AwsAccess {
  readonly region: string;
  /** Another address for all services: an emulator's. */
  readonly endpoint?: string;
  readonly credentials?: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
}

/** What the constructors of all clients of the SDK take. */
export interface AwsClientOptions extends AwsAccess {
  readonly maxAttempts: number;
  readonly retryMode: "standard";
  /** Milliseconds. */
  readonly requestHandler: { readonly connectionTimeout: number; readonly socketTimeout: number };
}

/** What is used of a client to put the faults' translation into it. */
interface MiddlewareStack {
  add(
    middleware: (next: (args: never) => Promise<unknown>) => (args: never) => Promise<unknown>,
    options: { readonly step: "initialize"; readonly priority: "high"; readonly name: string },
  ): void;
}

/**
 * The SDK pauses between attempts with exponential backoff and full jitter, longer after a throttled one. Eight attempts
 * outlast the second or two for which an account's rate limits empty: Route 53 allows 5 calls a second.
 */
const maxAttempts = 8;

/** A connection that died without a word is given up after the longest poll that any service offers (SWF, 60 s). */
const requestHandler = { connectionTimeout: 5000, socketTimeout: 100_000 };

/**
 * Makes a client of the SDK. What fails for a reason that has nothing to do with the call itself (credentials,
 * permissions, quotas, throttling, the network) comes out of every call as a {@link RowhouseError}; all else comes as
 * the SDK throws it, for the adapter to know by its `name`.
 */
export function createAwsClient<Client extends { readonly middlewareStack: unknown }, Extra extends object>(
  Client: new (configuration: AwsClientOptions & Extra) => Client,
  access: AwsAccess,
  ...extra: Extra[]
): Client {
  const client = new Client({
    ...access,
    maxAttempts,
    retryMode: "standard",
    requestHandler,
    ...extra[0],
  } as AwsClientOptions & Extra);
  (client.middlewareStack as MiddlewareStack).add(
    (next) => async (args) => {
      try {
        return await next(args);
      } catch (error) {
        throw toAwsFault(error);
      }
    },
    { step: "initialize", priority: "high", name: "rowhouseFaults" },
  );
  return client;
}
