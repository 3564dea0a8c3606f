/** What a code means to whoever meets it. `kind` decides the class and the exit code, `status` the HTTP answer. */
interface ErrorEntry {
  readonly kind: "user" | "system";
  /** HTTP status of the problem document (RFC 9457). */
  readonly status: number;
  /** One plain sentence: what is wrong, for `docs/errors.md`. */
  readonly reason: string;
  /** What the reader can do about it; ends every message. */
  readonly remedy: string;
}

/** Every stable code of Rowhouse. `docs/errors.md` is held equal to this table by a test. */
export const errorCatalog = {
  E_ARGUMENT: {
    kind: "user",
    status: 400,
    reason: "A value is missing or malformed.",
    remedy: "Correct the named value and try again.",
  },
  E_NODE_VERSION: {
    kind: "user",
    status: 400,
    reason: "Rowhouse needs Node 24 or later.",
    remedy: "Install a newer Node, or run `npm install` in the clone, which brings one.",
  },
  E_CONFIG: {
    kind: "user",
    status: 400,
    reason: "The configuration has a key that is unknown, missing or out of range.",
    remedy: "Correct the named key in rowhouse.config.ts.",
  },
  E_CONFIG_NOT_FOUND: {
    kind: "user",
    status: 400,
    reason: "No rowhouse.config.ts was found in this folder or any folder above it.",
    remedy:
      "Run the command inside an application, name the file with --config, or make one with `rowhouse new <folder>`.",
  },
  E_STATE_LOCKED: {
    kind: "user",
    status: 409,
    reason: "Another supervisor already runs on this state folder.",
    remedy: "Use the running one, stop it with `rowhouse down`, or choose another folder with --state-dir.",
  },
  E_STATE_CORRUPT: {
    kind: "system",
    status: 500,
    reason: "A file of the state folder can't be read.",
    remedy: "Move the named file away and start again; nothing in it is a tenant's data.",
  },
  E_PORT_IN_USE: {
    kind: "user",
    status: 409,
    reason: "A port that Rowhouse needs is taken by another program.",
    remedy: "Stop that program, or choose another base port with --port.",
  },
  E_DISK_FULL: {
    kind: "system",
    status: 507,
    reason: "The disk that holds the state folder is full.",
    remedy:
      "Free some space, or move the state folder with --state-dir; nothing that was acknowledged is lost.",
  },
  E_NOT_RUNNING: {
    kind: "user",
    status: 409,
    reason: "No Rowhouse runs on this state folder.",
    remedy: "Start it with `rowhouse up`.",
  },
  E_UNAUTHORIZED: {
    kind: "user",
    status: 401,
    reason: "The request carries no valid operator token.",
    remedy:
      "Send `Authorization: Bearer <token>`; the first token is in the state folder, in operator-token.",
  },
  E_NOT_FOUND: {
    kind: "user",
    status: 404,
    reason: "There is nothing under this name.",
    remedy: "Check the name; `list` shows what there is.",
  },
  E_HOST_INVALID: {
    kind: "user",
    status: 400,
    reason: "The request has no Host header, more than one, or a malformed one.",
    remedy: "Send exactly one Host header that names the tenant, as in `acme.example.com`.",
  },
  E_REQUEST_TARGET: {
    kind: "user",
    status: 400,
    reason: "The request's absolute URL names another host than its Host header.",
    remedy: "Send the path alone, or a URL whose host equals the Host header.",
  },
  E_HEADERS_TOO_LARGE: {
    kind: "user",
    status: 431,
    reason: "The request's headers are larger than 16 kB.",
    remedy: "Send smaller headers; large cookies are the usual cause.",
  },
  E_BODY_TOO_LARGE: {
    kind: "user",
    status: 413,
    reason: "The request's body is larger than is taken here.",
    remedy: "Send less in one request.",
  },
  E_REQUEST_TIMEOUT: {
    kind: "user",
    status: 408,
    reason: "The request's headers or body did not arrive in time.",
    remedy: "Send the request again over a faster connection.",
  },
  E_REQUEST_MALFORMED: {
    kind: "user",
    status: 400,
    reason: "The request is not well-formed HTTP/1.1.",
    remedy: "Send the request with a client that follows RFC 9112.",
  },
  E_METHOD_REFUSED: {
    kind: "user",
    status: 405,
    reason: "The method is not served here.",
    remedy: "Use another method; CONNECT and TRACE are never served.",
  },
  E_NO_INSTANCE: {
    kind: "system",
    status: 503,
    reason: "No instance of the region could take the request in time.",
    remedy: "Try again in a few seconds; `rowhouse status` shows the instances.",
  },
  E_INSTANCE_FAILED: {
    kind: "system",
    status: 502,
    reason: "The instance that worked on the request broke off before it answered.",
    remedy: "Look whether the change was made before you send the request again.",
  },
  E_INSTANCE_TIMEOUT: {
    kind: "system",
    status: 504,
    reason: "The instance that worked on the request did not answer in time.",
    remedy: "Look whether the change was made before you send the request again.",
  },
  E_TENANT_SLUG_INVALID: {
    kind: "user",
    status: 400,
    reason: "The slug has a form that can't be a host name's label.",
    remedy: "Use 1 to 40 lower-case letters, digits and hyphens, a letter first and no hyphen last.",
  },
  E_TENANT_SLUG_RESERVED: {
    kind: "user",
    status: 400,
    reason: "The slug is a word that the platform keeps for itself.",
    remedy: "Choose another slug.",
  },
  E_TENANT_SLUG_TAKEN: {
    kind: "user",
    status: 409,
    reason: "Another tenant has this slug.",
    remedy: "Choose another slug.",
  },
  E_TENANT_NOT_FOUND: {
    kind: "user",
    status: 404,
    reason: "No tenant has this slug.",
    remedy: "Check the slug; `rowhouse tenant list` shows all of them.",
  },
  E_TENANT_SUSPENDED: {
    kind: "user",
    status: 403,
    reason: "The tenant is suspended.",
    remedy: "An operator can resume it with `rowhouse tenant resume <slug>`.",
  },
  E_TENANT_CLOSED: {
    kind: "user",
    status: 410,
    reason: "The tenant was closed.",
    remedy: "Nothing is served here any more.",
  },
  E_TENANT_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "The tenant is being moved or made, and did not become ready in time.",
    remedy: "Try again in a few seconds.",
  },
  E_TENANT_STATE: {
    kind: "user",
    status: 409,
    reason: "The tenant's present state does not allow this.",
    remedy: "`rowhouse tenant show <slug>` tells its state.",
  },
  E_TENANT_BUSY: {
    kind: "user",
    status: 409,
    reason: "Another operation on the tenant is under way.",
    remedy: "Wait until it has ended; `rowhouse tenant show <slug>` names it.",
  },
  E_WRONG_REGION: {
    kind: "user",
    status: 421,
    reason: "The tenant's home is another region.",
    remedy: "Send the request to the address in the answer.",
  },
  E_REGION_UNKNOWN: {
    kind: "user",
    status: 400,
    reason: "The configuration names no such region, or does not start it.",
    remedy: "Choose one of the named regions.",
  },
  E_RESIDENCY_CHECK: {
    kind: "system",
    status: 500,
    reason: "The residency check could not write into a tenant's data, so nothing was checked.",
    remedy:
      "Correct the named cause and run `rowhouse doctor --residency` again; what it had written is removed.",
  },
  E_REGION_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "The region's controller does not answer.",
    remedy: "Try again in a few seconds; `rowhouse status` shows what is wrong.",
  },
  E_PLAN_UNKNOWN: {
    kind: "user",
    status: 400,
    reason: "The configuration names no such plan.",
    remedy: "Choose one of the named plans.",
  },
  E_QUOTA: {
    kind: "user",
    status: 409,
    reason: "A limit of the plan or the region is reached.",
    remedy: "Raise the named limit in rowhouse.config.ts, or close a tenant.",
  },
  E_RATE_LIMITED: {
    kind: "user",
    status: 429,
    reason: "The tenant sends more requests a second than its plan allows.",
    remedy: "Wait as long as Retry-After says, or choose a plan with a higher requestsPerSecond.",
  },
  E_IDEMPOTENCY_KEY_REUSED: {
    kind: "user",
    status: 422,
    reason: "The Idempotency-Key was already used with another request body.",
    remedy: "Send a new key for a new request.",
  },
  E_SIGNUP_FAILED: {
    kind: "system",
    status: 500,
    reason: "A step of the sign-up failed; all earlier steps were undone.",
    remedy: "Correct the named cause and sign up again; the slug is free.",
  },
  E_MIGRATION_FAILED: {
    kind: "system",
    status: 500,
    reason: "A migration's SQL was refused by Postgres.",
    remedy: "Correct the named file and build a new release.",
  },
  E_MIGRATION_NAME: {
    kind: "user",
    status: 400,
    reason: "A migration's file name or number is out of order.",
    remedy: "Name the files 0001_name.sql, 0002_name.sql, … without gaps or repeats.",
  },
  E_MIGRATION_STATEMENTS: {
    kind: "user",
    status: 400,
    reason:
      "A migration begins or ends a transaction, changes its role, or runs outside a transaction and is not one statement.",
    remedy:
      "Give each such statement a file of its own, safe to repeat, as in CREATE INDEX CONCURRENTLY IF NOT EXISTS.",
  },
  E_MIGRATION_BUSY: {
    kind: "system",
    status: 503,
    reason: "The tenant is just being migrated by another run, or its tables were in use for too long.",
    remedy: "Run `rowhouse migrate run` again later; what was applied stays.",
  },
  E_MIGRATION_CHANGED: {
    kind: "user",
    status: 409,
    reason: "A migration that was already applied has changed since.",
    remedy: "Restore the file, and put the change into a new migration.",
  },
  E_RELEASE_BUILD: {
    kind: "user",
    status: 400,
    reason: "The application could not be built into a release.",
    remedy: "Correct the named file.",
  },
  E_RELEASE_CORRUPT: {
    kind: "system",
    status: 500,
    reason: "A release does not match its recorded SHA-256.",
    remedy: "Build the release again.",
  },
  E_RELEASE_MISSING: {
    kind: "system",
    status: 503,
    reason: "The region has no release yet.",
    remedy: "Wait until `rowhouse up` has shipped one.",
  },
  E_APP_INVALID: {
    kind: "user",
    status: 400,
    reason: "The application's module does not export what defineApp returns.",
    remedy: "Write `export default defineApp({ … })` with either `fetch` or `node`.",
  },
  E_NO_TENANT: {
    kind: "system",
    status: 500,
    reason: "The code asked for the current tenant outside a request or job.",
    remedy: "Call it inside a request or job, or inside `withTenant(slug, …)`.",
  },
  E_DATABASE_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "No node of the database server takes writes.",
    remedy: "Try again in a few seconds; `rowhouse status` shows the servers.",
  },
  E_STANDBY_BEHIND: {
    kind: "system",
    status: 409,
    reason: "No standby of the database server has every acknowledged write, so none may take its place.",
    remedy: "`rowhouse database list` shows when the standby is in sync; try again then.",
  },
  E_DATABASE_BUSY: {
    kind: "system",
    status: 503,
    reason: "No connection to the database came free in time.",
    remedy: "Try again; if it stays so, raise the instance's connection budget.",
  },
  E_STATEMENT_REFUSED: {
    kind: "user",
    status: 400,
    reason: "The statement would change the role or search path of a shared connection.",
    remedy: 'Leave role and search_path alone, or choose a plan with `connections: "own"`.',
  },
  E_DECRYPT: {
    kind: "system",
    status: 500,
    reason: "A secret can't be decrypted with the region's key in this context.",
    remedy: "Restore the region's key file from its backup.",
  },
  E_KEY_FILE: {
    kind: "system",
    status: 500,
    reason: "The region's key file is damaged, missing, or open to others than its owner.",
    remedy:
      "Restore the file from its backup, with mode 0600; without it the region's secrets can't be read.",
  },
  E_KEY_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "The region's KMS key is disabled, waits for its deletion, or is gone.",
    remedy: "Enable the key again, or cancel its deletion, in the KMS console of its region.",
  },
  E_OBJECT_KEY: {
    kind: "user",
    status: 400,
    reason: "A file's key is empty, too long, or tries to leave its prefix.",
    remedy: "Use a relative path without `.` or `..` segments, at most 512 bytes long.",
  },
  E_CONFLICT: {
    kind: "user",
    status: 409,
    reason: "The item was changed by someone else in between.",
    remedy: "Read it again and repeat the change.",
  },
  E_INTEGRATION: {
    kind: "system",
    status: 502,
    reason: "A webhook of the CRM, billing or support desk was not accepted.",
    remedy: "Check the receiver's address, secret and log.",
  },
  E_MAIL: {
    kind: "system",
    status: 502,
    reason: "The mail server did not take a message.",
    remedy: "Check `mail` in rowhouse.config.ts; the message stays in the outbox.",
  },
  E_CONFIRMATION: {
    kind: "user",
    status: 400,
    reason: "A destructive command was given without a terminal to ask on.",
    remedy: "Add --yes if you mean it.",
  },
  E_AWS_SDK_MISSING: {
    kind: "user",
    status: 400,
    reason: 'A package of the AWS SDK, which `target: "aws"` needs, is not installed.',
    remedy: "Install it as the message says.",
  },
  E_AWS_CREDENTIALS: {
    kind: "user",
    status: 401,
    reason: "AWS did not accept the credentials, or they have expired.",
    remedy:
      "Sign in again, as in `aws sso login`, or set AWS_PROFILE; `aws sts get-caller-identity` shows who you are.",
  },
  E_AWS_ACCESS: {
    kind: "user",
    status: 403,
    reason: "The AWS identity may not do this.",
    remedy: "Give it the named action; docs/aws.md has the policy that an operator needs.",
  },
  E_AWS_QUOTA: {
    kind: "user",
    status: 409,
    reason: "A quota of the AWS account is reached.",
    remedy:
      "Ask for more in the Service Quotas console of that region, under the named quota, and try again.",
  },
  E_AWS_CAPACITY: {
    kind: "system",
    status: 503,
    reason: "AWS has no machine of the wanted type free in the zone.",
    remedy:
      "It is tried again by itself; if it lasts, name another instance type for the fleet, or another zone for the region.",
  },
  E_AWS_THROTTLED: {
    kind: "system",
    status: 503,
    reason: "AWS throttled a call until all retries were used up.",
    remedy: "Try again in a minute; if it stays so, ask for a higher rate in the Service Quotas console.",
  },
  E_AWS_UNAVAILABLE: {
    kind: "system",
    status: 503,
    reason: "AWS can't be reached, or failed by itself.",
    remedy: "Try again; the AWS Health Dashboard tells of disturbances.",
  },
  E_AWS_METADATA: {
    kind: "system",
    status: 500,
    reason: "The server can't learn from EC2's instance metadata service who it is.",
    remedy:
      "Run it on a machine that Rowhouse launched: its launch template asks for version 2 of the service, with tags.",
  },
  E_AWS_DEPLOY: {
    kind: "system",
    status: 502,
    reason: "CloudFormation could not bring a stack to the state asked for.",
    remedy: "Correct the named cause and deploy again; what was made before has been rolled back.",
  },
  E_ARCHIVE_FORMAT: {
    kind: "user",
    status: 400,
    reason: "The file is no archive of a tenant.",
    remedy: "Name a file that `rowhouse tenant export` or a backup made.",
  },
  E_ARCHIVE_VERSION: {
    kind: "user",
    status: 400,
    reason: "The archive was made by a newer Rowhouse, in a format that this one does not know.",
    remedy: "Update Rowhouse and try again.",
  },
  E_ARCHIVE_DAMAGED: {
    kind: "user",
    status: 422,
    reason: "The archive is incomplete or was changed since it was made.",
    remedy: "Use another copy or another archive; nothing of this one was put to use.",
  },
  E_ARCHIVE_KEY: {
    kind: "system",
    status: 500,
    reason: "The encrypted archive does not open with this region's keys for this tenant.",
    remedy: "Restore it for its own tenant, in its own region or in that one's recovery region.",
  },
  E_ARCHIVE_UNSUPPORTED: {
    kind: "user",
    status: 409,
    reason: "The tenant's data has something that an archive can't hold.",
    remedy: "Keep such data in tables or files, or remove it, and try again.",
  },
  E_ARCHIVE_SCHEMA: {
    kind: "user",
    status: 409,
    reason: "The archive's tables are not those that the release's migrations make.",
    remedy: "Install a release whose migrations begin with the archive's, unchanged, and try again.",
  },
  E_ARCHIVE_MISMATCH: {
    kind: "system",
    status: 500,
    reason: "The rows that were loaded are not those of the archive; none of them was kept.",
    remedy: "Look for triggers and rules that are always on, and report it.",
  },
  E_MOVE_SAME: {
    kind: "user",
    status: 409,
    reason: "The tenant lives there already.",
    remedy: "Name another region or another plan.",
  },
  E_MOVE_JURISDICTION: {
    kind: "user",
    status: 409,
    reason: "The move would bring the tenant's data under another jurisdiction.",
    remedy:
      'Move it with `--consent "<reference>"`, which names the customer\'s consent and is kept in the audit trail.',
  },
  E_MOVE_UNSUPPORTED: {
    kind: "user",
    status: 409,
    reason: "The tenant's data has something that can't be moved while it is used.",
    remedy: "Remove what is named, or export the tenant and import it elsewhere.",
  },
  E_MOVE_FAILED: {
    kind: "system",
    status: 500,
    reason: "The tenant could not be moved; it is served where it was.",
    remedy: "Correct the named cause and move it again.",
  },
  E_BACKUP_NOT_FOUND: {
    kind: "user",
    status: 404,
    reason: "The tenant has no such backup, or none as old as asked for.",
    remedy: "`rowhouse tenant backups <slug>` shows what there is.",
  },
  E_REGION_NO_RECOVERY: {
    kind: "user",
    status: 409,
    reason: "The region has no recovery region that its tenants could come back in.",
    remedy:
      "Name one of the same jurisdiction as `recovery` in rowhouse.config.ts, before the region is lost.",
  },
  E_REGION_HEALTHY: {
    kind: "user",
    status: 409,
    reason: "The region serves its tenants, and a failover would lose their newest writes.",
    remedy: "Move tenants with `rowhouse tenant move`; with --force the region is given up nonetheless.",
  },
  E_REGION_LOST: {
    kind: "user",
    status: 409,
    reason: "The region has failed over: its tenants live in its recovery region.",
    remedy: "Choose another region, or bring this one back with `rowhouse region fail-back <name>`.",
  },
  E_REGION_IN_USE: {
    kind: "user",
    status: 409,
    reason: "Tenants live in the region.",
    remedy: "Move or close them first; `rowhouse tenant list` shows them.",
  },
  E_INTERNAL: {
    kind: "system",
    status: 500,
    reason: "Something failed that should not.",
    remedy: "`rowhouse logs` has the details.",
  },
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof errorCatalog;
