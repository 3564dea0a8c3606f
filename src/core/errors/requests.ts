import type { ErrorEntry } from "./entry.ts";

/** Of commands, configuration and state folder, and of HTTP requests; and E_INTERNAL. */
export const requestErrors = {
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
  E_CONFIRMATION: {
    kind: "user",
    status: 400,
    reason: "A destructive command was given without a terminal to ask on.",
    remedy: "Add --yes if you mean it.",
  },
  E_INTERNAL: {
    kind: "system",
    status: 500,
    reason: "Something failed that should not.",
    remedy: "`rowhouse logs` has the details.",
  },
} as const satisfies Record<string, ErrorEntry>;
